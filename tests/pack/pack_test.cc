// pack() on real directories, read back through the index alone.
#include "wpack/pack.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <array>
#include <csignal>
#include <map>

#include "format/checksum.h"
#include "format/index_file.h"
#include "support/memory_source.h"
#include "support/result_matchers.h"
#include "support/temp_dir.h"

namespace wpack {
namespace {

using testing::Fails;
using testing::IsOk;
using testing::MemorySource;
using testing::pattern_bytes;
using testing::read_file;
using testing::TempDir;

// The files of a container and its index.
struct Packed {
  std::map<std::string, std::string> files;
  std::string index_bytes;
  format::IndexFile index;
};

Result<Packed> read_container(const std::filesystem::path& path) {
  std::map<std::string, std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(path))
    files[entry.path().filename().string()] = read_file(entry.path());
  const auto bytes = std::make_shared<std::string>(files["index.wpi"]);
  WPACK_ASSIGN(format::IndexFile index,
               format::parse_index_file(std::as_bytes(std::span(*bytes)), bytes));
  return Packed{std::move(files), *bytes, std::move(index)};
}

std::string_view bytes_of(const Packed& packed, std::uint32_t tensor) {
  const format::TensorRow row = packed.index.index.tensors()[tensor];
  if (row.nbytes == 0) return {};
  const format::ExtentRow extent = packed.index.index.extents()[row.extent];
  const std::string& shard = packed.files.at(format::shard_file_name(extent.shard));
  return std::string_view(shard).substr(extent.offset + row.byte_offset, row.nbytes);
}

void expect_same_tensors(const Packed& packed, const MemorySource& source) {
  for (std::size_t i = 0; i < source.description().tensors.size(); ++i) {
    const SourceTensor& tensor = source.description().tensors[i];
    const auto row = packed.index.index.find_tensor(tensor.name);
    ASSERT_TRUE(row) << tensor.name;
    const Bytes expected = source.bytes(i);
    EXPECT_EQ(bytes_of(packed, *row),
              std::string_view(reinterpret_cast<const char*>(expected.data()), expected.size()))
        << tensor.name;
    EXPECT_EQ(packed.index.index.tensors()[*row].hash, format::hash64(expected)) << tensor.name;
  }
}

void add_varied_model(MemorySource& source) {
  source.add("embed.weight", pattern_bytes(3'000'001, 1));
  source.add("h.0.norm", pattern_bytes(512, 2), DType::kF32, {128});
  source.add("h.0.w", pattern_bytes(70'000, 3), DType::kBF16, {350, 100});
  source.add("h.0.scale", pattern_bytes(8, 4), DType::kF64, std::vector<std::uint64_t>{});
  source.mutable_description().tensors.back().shape = {};
  source.add("h.0.empty", {}, DType::kF32, {0, 7});
  source.add("h.1.w", pattern_bytes(5'000'000, 5));
  source.add_view("head.weight", 0, 0, DType::kU8, {3'000'001});
}

// Small enough to be packed without threads.
void add_small_model(MemorySource& source) {
  source.add("embed.weight", pattern_bytes(70'000, 1));
  source.add("h.0.norm", pattern_bytes(512, 2), DType::kF32, {128});
  source.add("h.0.norm_again", pattern_bytes(512, 2), DType::kF32, {128});
  source.add("h.1.empty", {}, DType::kF32, {0, 7});
  source.add_view("head.weight", 0, 0, DType::kU8, {70'000});
}
constexpr std::array kModels = {add_varied_model, add_small_model};

std::vector<std::string> names_in(const TempDir& directory) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(directory.path()))
    names.push_back(entry.path().filename().string());
  return names;
}

TEST(PackTest, WritesEveryTensorByteForByte) {
  const TempDir directory;
  MemorySource source;
  add_varied_model(source);
  ASSERT_OK_AND_ASSIGN(const PackReport report, pack(source, directory.file("m.wpack")));
  ASSERT_OK_AND_ASSIGN(const Packed packed, read_container(directory.path() / "m.wpack"));
  expect_same_tensors(packed, source);
  EXPECT_EQ(report.tensor_count, 7U);
  EXPECT_EQ(report.alias_count, 1U);
  EXPECT_EQ(report.layer_count, 4U);
  EXPECT_EQ(names_in(directory), std::vector<std::string>{"m.wpack"});
}

TEST(PackTest, WritesAModelThatFitsIntoOneBufferByteForByte) {
  const TempDir directory;
  MemorySource source;
  add_small_model(source);
  ASSERT_OK_AND_ASSIGN(const PackReport report, pack(source, directory.file("m.wpack")));
  ASSERT_OK_AND_ASSIGN(const Packed packed, read_container(directory.path() / "m.wpack"));
  expect_same_tensors(packed, source);
  EXPECT_EQ(report.shared_bytes, 512U);
}

TEST(PackTest, GivesTheSameBytesEveryTime) {
  const TempDir directory;
  for (const char* name : {"a.wpack", "b.wpack"}) {
    MemorySource source;
    add_varied_model(source);
    ASSERT_THAT(pack(source, directory.file(name)), IsOk());
  }
  ASSERT_OK_AND_ASSIGN(const Packed a, read_container(directory.path() / "a.wpack"));
  ASSERT_OK_AND_ASSIGN(const Packed b, read_container(directory.path() / "b.wpack"));
  EXPECT_EQ(a.files, b.files);
}

TEST(PackTest, StoresTiedTensorsOnceAndListsThemInBothLayers) {
  const TempDir directory;
  MemorySource source;
  add_varied_model(source);
  ASSERT_THAT(pack(source, directory.file("m.wpack")), IsOk());
  ASSERT_OK_AND_ASSIGN(const Packed packed, read_container(directory.path() / "m.wpack"));
  const format::Index& index = packed.index.index;
  const format::TensorRow head = index.tensors()[*index.find_tensor("head.weight")];
  EXPECT_EQ(head.alias_of, *index.find_tensor("embed.weight"));
  const format::LayerRow layer = index.layers()[head.layer];
  EXPECT_EQ(layer.extent_count, 0U);
  ASSERT_EQ(layer.foreign_count, 1U);
  EXPECT_EQ(index.foreign()[layer.foreign_first], head.extent);
}

TEST(PackTest, StoresEqualContentOnceAndPadsWithZerosWhereItWasRolledBack) {
  const TempDir directory;
  MemorySource source;
  const auto large = pattern_bytes(1'500'000, 1);
  source.add("h.0.a", large).add("h.0.b", large).add("h.0.small", pattern_bytes(10, 2));
  source.add("h.0.small_again", pattern_bytes(10, 2)).add("h.0.c", pattern_bytes(70'000, 3));
  source.add("h.1.a", large).add("h.1.small", pattern_bytes(10, 2));
  ASSERT_OK_AND_ASSIGN(const PackReport report, pack(source, directory.file("m.wpack")));
  EXPECT_EQ(report.shared_bytes, 2 * 1'500'000U + 10U);
  ASSERT_OK_AND_ASSIGN(const Packed packed, read_container(directory.path() / "m.wpack"));
  expect_same_tensors(packed, source);
  const format::Index& index = packed.index.index;
  EXPECT_EQ(index.extents().size(), 4U);
  EXPECT_EQ(index.tensors()[*index.find_tensor("h.1.a")].alias_of, format::kNone);
  std::string shard = packed.files.at("00000.wps");
  std::fill_n(shard.begin(), format::kEnvelopeSize, '\0');
  for (std::uint32_t i = 0; i < index.extents().size(); ++i) {
    const format::ExtentRow extent = index.extents()[i];
    std::fill_n(shard.begin() + static_cast<std::ptrdiff_t>(extent.offset), extent.stored_size,
                '\0');
  }
  EXPECT_EQ(shard.find_first_not_of('\0'), std::string::npos);
}

TEST(PackTest, DropsAShardWhoseContentWasAllFoundElsewhere) {
  const TempDir directory;
  MemorySource source;
  const auto large = pattern_bytes(1'500'000, 1);
  source.add("h.0.w", large).add("h.1.w", large).add("h.2.w", pattern_bytes(1'500'000, 2));
  source.add("h.3.w", large);
  PackOptions options;
  options.shard_size = std::uint64_t{1} << 20;
  ASSERT_OK_AND_ASSIGN(const PackReport report, pack(source, directory.file("m.wpack"), options));
  EXPECT_EQ(report.shard_count, 2U);
  ASSERT_OK_AND_ASSIGN(const Packed packed, read_container(directory.path() / "m.wpack"));
  EXPECT_EQ(packed.files.size(), 3U);
  expect_same_tensors(packed, source);
}

TEST(PackTest, KeepsMetadataSourcesAndAttachments) {
  const TempDir directory;
  MemorySource source;
  add_varied_model(source);
  source.mutable_description().metadata = {
      {"epoch", "3", MetadataType::kInteger, MetadataOrigin::kCheckpoint}, {"", "", {}, {}}};
  source.attach("b.json", pattern_bytes(5000, 9)).attach("a.txt", {});
  ASSERT_THAT(pack(source, directory.file("m.wpack")), IsOk());
  ASSERT_OK_AND_ASSIGN(const Packed packed, read_container(directory.path() / "m.wpack"));
  const format::Index& index = packed.index.index;
  EXPECT_EQ(index.key_of(index.metadata()[0]), "epoch");
  EXPECT_EQ(index.value_of(index.metadata()[0]), "3");
  EXPECT_EQ(index.name_of(index.sources()[0]), "model.mem");
  EXPECT_EQ(index.name_of(index.attachments()[0]), "a.txt");
  const format::ExtentRow extent = index.extents()[index.attachments()[1].extent];
  EXPECT_EQ(extent.raw_size, 5000U);
  EXPECT_EQ(extent.layer, format::kNone);
}

// Reads an attachment's bytes through its extent.
std::string_view attachment_of(const Packed& packed, std::uint32_t row) {
  const format::ExtentRow extent =
      packed.index.index.extents()[packed.index.index.attachments()[row].extent];
  const std::string& shard = packed.files.at(format::shard_file_name(extent.shard));
  return std::string_view(shard).substr(extent.offset, extent.stored_size);
}

std::string_view as_text(const std::vector<std::byte>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

TEST(PackTest, ReadsAttachmentsPieceByPieceFromTheSource) {
  const TempDir directory;
  const auto large = pattern_bytes(9'000'001, 3);  // more than two buffers
  MemorySource source;
  source.add("w", pattern_bytes(10, 1)).attach("tokenizer.json", large);
  std::uint64_t pieces = 0;
  source.on_read_attachment = [&](std::size_t, std::uint64_t) -> Status {
    ++pieces;
    return {};
  };
  ASSERT_THAT(pack(source, directory.file("m.wpack")), IsOk());
  EXPECT_GE(pieces, 3U);
  ASSERT_OK_AND_ASSIGN(const Packed packed, read_container(directory.path() / "m.wpack"));
  EXPECT_EQ(attachment_of(packed, 0), as_text(large));
}

TEST(PackTest, SharesEqualAttachmentsButNoneWithATensor) {
  const TempDir directory;
  const auto same = pattern_bytes(1'200'000, 3);
  MemorySource source;
  source.add("w", same).attach("a.json", same).attach("b.json", same);
  ASSERT_OK_AND_ASSIGN(const PackReport report, pack(source, directory.file("m.wpack")));
  EXPECT_EQ(report.shared_bytes, same.size());
  ASSERT_OK_AND_ASSIGN(const Packed packed, read_container(directory.path() / "m.wpack"));
  const format::Index& index = packed.index.index;
  EXPECT_EQ(index.extents().size(), 2U);
  EXPECT_EQ(index.attachments()[0].extent, index.attachments()[1].extent);
  EXPECT_EQ(attachment_of(packed, 1), as_text(same));
}

TEST(PackTest, ReturnsTheFailureOfAnAttachmentAndLeavesNothing) {
  const TempDir directory;
  MemorySource source;
  source.add("w", pattern_bytes(10, 1)).attach("a.json", pattern_bytes(10, 2));
  source.on_read_attachment = [](std::size_t, std::uint64_t) -> Status {
    return Error(ErrorCode::kIo, "a.json: changed while it was read");
  };
  EXPECT_THAT(pack(source, directory.file("m.wpack")), Fails(ErrorCode::kIo, "a.json: changed"));
  EXPECT_TRUE(names_in(directory).empty());
}

TEST(PackTest, RejectsAttachmentsThatTheFormatCannotHold) {
  for (const char* name : {"", ".hidden", "a/b", "größe"}) {
    MemorySource source;
    source.add("w", pattern_bytes(10, 1)).attach(name, pattern_bytes(10, 2));
    EXPECT_THAT(plan_pack(source.description()), Fails(ErrorCode::kBadInput, "attachment '"));
  }
  MemorySource twins;
  twins.add("w", pattern_bytes(10, 1)).attach("a", {}).attach("a", {});
  EXPECT_THAT(plan_pack(twins.description()),
              Fails(ErrorCode::kBadInput, "two attachments are called 'a'"));
  MemorySource many;
  many.add("w", pattern_bytes(10, 1));
  for (int i = 0; i < 1025; ++i) many.attach("a" + std::to_string(i), {});
  EXPECT_THAT(plan_pack(many.description()), Fails(ErrorCode::kLimit, "1025 attachments"));
}

TEST(PackTest, RejectsMoreMetadataThanTheFormatHoldsBeforeItWrites) {
  SourceDescription description;
  description.tensors.push_back({.name = "w", .shape = {1}, .nbytes = 1, .storage = {}});
  description.metadata.assign(65'536, {.key = "k", .value = std::string(127, 'v')});
  EXPECT_THAT(plan_pack(description), IsOk());
  description.metadata.push_back({.key = "", .value = ""});
  EXPECT_THAT(plan_pack(description), Fails(ErrorCode::kLimit, "65537 entries of metadata"));
  description.metadata.assign(1, {.key = "k", .value = std::string(8 << 20, 'v')});
  EXPECT_THAT(plan_pack(description), Fails(ErrorCode::kLimit, "with 8388609 bytes"));
}

TEST(PackTest, RejectsNamesThatAreThereTwiceAndLeavesNothing) {
  const TempDir directory;
  MemorySource source;
  source.add("same", pattern_bytes(10, 1)).add("same", pattern_bytes(10, 2));
  EXPECT_THAT(pack(source, directory.file("m.wpack")),
              Fails(ErrorCode::kBadInput, "two tensors are called 'same'"));
  EXPECT_TRUE(names_in(directory).empty());
}

// The plan takes the storages for different ones.
TEST(PackTest, RejectsViewsThatOverlapTooMuchOnceEqualStoragesAreOne) {
  constexpr std::uint64_t kSize = std::uint64_t{1} << 20;
  MemorySource source;
  for (std::uint32_t i = 0; i < 40; ++i)
    source.add(fmt::format("w.{}", i), pattern_bytes(kSize, 1));
  for (std::uint32_t i = 0; i < 40 * 50; ++i)
    source.add_view(fmt::format("v.{}", i), i / 50, i + 1, DType::kU8, {kSize - i - 1});
  EXPECT_THAT(plan_pack(source.description()), IsOk());
  const TempDir directory;
  EXPECT_THAT(pack(source, directory.file("m.wpack")),
              Fails(ErrorCode::kLimit, "m.wpack: its tensors overlap so much"));
  EXPECT_TRUE(names_in(directory).empty());
}

void expect_failure_of_read(void (*add_model)(MemorySource&), std::size_t failing) {
  const TempDir directory;
  MemorySource source;
  add_model(source);
  source.on_read = [&](std::size_t index, std::uint64_t) -> Status {
    if (index < failing) return {};
    return Error(ErrorCode::kIo, "model.mem: read failed");
  };
  EXPECT_THAT(pack(source, directory.file("m.wpack")),
              Fails(ErrorCode::kIo, "model.mem: read failed"));
  EXPECT_TRUE(names_in(directory).empty());
}

TEST(PackTest, ReturnsTheSourcesFailureAndLeavesNothing) {
  for (const std::size_t failing : {0U, 2U, 5U}) expect_failure_of_read(add_varied_model, failing);
  for (const std::size_t failing : {0U, 2U}) expect_failure_of_read(add_small_model, failing);
}

TEST(PackTest, PublishesNothingWhenTheSourceTurnsOutBadAtItsEnd) {
  const TempDir directory;
  MemorySource source;
  add_varied_model(source);
  source.on_finish = [](const KeepGoing&) {
    return Status(Error(ErrorCode::kIntegrity, "CRC-32 does not match"));
  };
  EXPECT_THAT(pack(source, directory.file("m.wpack")), Fails(ErrorCode::kIntegrity, "CRC-32"));
  EXPECT_TRUE(names_in(directory).empty());
}

void expect_cancelled_after(void (*add_model)(MemorySource&), int calls) {
  const TempDir directory;
  MemorySource source;
  add_model(source);
  int seen = 0;
  PackOptions options;
  options.progress = [&](const Progress& progress) {
    EXPECT_LE(progress.done_bytes, progress.total_bytes);
    return seen++ < calls;
  };
  EXPECT_THAT(pack(source, directory.file("m.wpack"), options),
              Fails(ErrorCode::kCancelled, "cancelled"));
  EXPECT_TRUE(names_in(directory).empty());
}

TEST(PackTest, StopsWhenItIsCancelledWhileTheSourceFinishes) {
  const TempDir directory;
  MemorySource source;
  add_varied_model(source);
  bool finishing = false;
  source.on_finish = [&](const KeepGoing& keep_going) {
    EXPECT_TRUE(keep_going());
    finishing = true;
    EXPECT_FALSE(keep_going());
    return Status(Error(ErrorCode::kCancelled, "cancelled"));
  };
  PackOptions options;
  options.progress = [&](const Progress&) { return !finishing; };
  EXPECT_THAT(pack(source, directory.file("m.wpack"), options),
              Fails(ErrorCode::kCancelled, "cancelled"));
  EXPECT_TRUE(names_in(directory).empty());
}

TEST(PackTest, StopsWhenItIsCancelledAndLeavesNothing) {
  for (const auto add_model : kModels)
    for (const int calls : {0, 1, 2}) expect_cancelled_after(add_model, calls);
}

TEST(PackTest, ReportsAFileSizeLimitAndLeavesNothing) {
  const TempDir directory;
  rlimit old_limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &old_limit), 0);
  const rlimit small = {2'000'000, old_limit.rlim_max};
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  MemorySource source;
  add_varied_model(source);
  const auto result = pack(source, directory.file("m.wpack"));
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &old_limit), 0);
  std::signal(SIGXFSZ, old_handler);
  EXPECT_THAT(result, Fails(ErrorCode::kLimit, "File too large"));
  EXPECT_TRUE(names_in(directory).empty());
}

TEST(PackTest, ReplacesAContainerOnlyWhenAsked) {
  const TempDir directory;
  MemorySource source;
  add_varied_model(source);
  ASSERT_THAT(pack(source, directory.file("m.wpack")), IsOk());
  EXPECT_THAT(pack(source, directory.file("m.wpack")), Fails(ErrorCode::kIo, "already exists"));
  MemorySource other;
  other.add("only", pattern_bytes(100, 77));
  PackOptions options;
  options.replace = true;
  ASSERT_THAT(pack(other, directory.file("m.wpack"), options), IsOk());
  ASSERT_OK_AND_ASSIGN(const Packed packed, read_container(directory.path() / "m.wpack"));
  expect_same_tensors(packed, other);
  EXPECT_EQ(names_in(directory), std::vector<std::string>{"m.wpack"});
}

}  // namespace
}  // namespace wpack
