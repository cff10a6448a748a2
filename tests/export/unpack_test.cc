// unpack() from real containers.
#include "wpack/unpack.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <fstream>
#include <map>

#include "support/memory_source.h"
#include "support/paths.h"
#include "support/result_matchers.h"
#include "support/temp_dir.h"
#include "wpack/pack.h"
#include "wpack/tensor_source.h"

namespace wpack {
namespace {

using testing::Fails;
using ::testing::HasSubstr;
using testing::IsOk;
using testing::TempDir;

const std::string kData = testing::test_data();

Status pack_file(const std::string& from, const std::string& to) {
  WPACK_ASSIGN(const auto source, open_tensor_source(from));
  WPACK_TRY(pack(*source, to, {.replace = true}));
  return {};
}

// Packs `from` into `directory` and opens it as most programs would.
Result<Container> open_packed(const std::string& from, const TempDir& directory) {
  const std::string path = directory.file("m.wpack");
  WPACK_TRY(pack_file(from, path));
  return Container::open(path);
}

std::size_t count_files(const TempDir& directory) {
  const std::filesystem::directory_iterator begin(directory.path());
  return static_cast<std::size_t>(std::distance(begin, std::filesystem::directory_iterator()));
}

// What a source holds, by name: element type, shape and bytes.
using Contents = std::map<std::string, std::tuple<DType, std::vector<std::uint64_t>, std::string>>;

Contents read_contents(TensorSource& source) {
  Contents contents;
  const auto& tensors = source.description().tensors;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    std::string bytes(tensors[i].nbytes, '\0');
    EXPECT_THAT(source.read(i, 0, std::as_writable_bytes(std::span(bytes))), IsOk());
    contents[tensors[i].name] = {tensors[i].dtype, tensors[i].shape, std::move(bytes)};
  }
  EXPECT_THAT(source.finish({}), IsOk());
  return contents;
}

// For each tensor in its order, the first tensor whose storage it shares, and where in it.
std::vector<std::pair<std::string, std::uint64_t>> ties_of(const TensorSource& source) {
  std::map<std::uint32_t, std::string> owners;
  std::vector<std::pair<std::string, std::uint64_t>> ties;
  for (const SourceTensor& tensor : source.description().tensors) {
    if (!tensor.storage || tensor.nbytes == 0) continue;
    const auto [owner, fresh] = owners.emplace(tensor.storage->id, tensor.name);
    if (!fresh)
      ties.emplace_back(tensor.name + " in " + owner->second, tensor.storage->byte_offset);
  }
  return ties;
}

class SafetensorsRoundTripTest : public ::testing::TestWithParam<std::string> {};

TEST_P(SafetensorsRoundTripTest, WritesTheSameFileAgain) {
  const TempDir directory;
  const std::string from = kData + "/safetensors/" + GetParam() + ".safetensors";
  ASSERT_OK_AND_ASSIGN(const Container container, open_packed(from, directory));
  const std::string to = directory.file("back.safetensors");
  ASSERT_OK_AND_ASSIGN(const UnpackReport report, unpack(container, to));
  EXPECT_EQ(testing::read_file(to), testing::read_file(from));
  EXPECT_EQ(report.tensor_count, container.tensor_count());
  EXPECT_EQ(report.file_bytes, std::filesystem::file_size(to));
}

INSTANTIATE_TEST_SUITE_P(Fixtures, SafetensorsRoundTripTest,
                         ::testing::Values("dtypes", "shapes", "names", "metadata",
                                           "one_entry_metadata", "model"));

class TorchRoundTripTest : public ::testing::TestWithParam<std::string> {};

TEST_P(TorchRoundTripTest, WritesTheSameTensorsTiesAndScalarsAgain) {
  const TempDir directory;
  const std::string from = kData + "/torch/" + GetParam();
  ASSERT_OK_AND_ASSIGN(const Container container, open_packed(from, directory));
  const std::string to = directory.file("back.pth");
  ASSERT_THAT(unpack(container, to), IsOk());
  ASSERT_OK_AND_ASSIGN(const auto before, open_tensor_source(from));
  ASSERT_OK_AND_ASSIGN(const auto after, open_tensor_source(to));
  EXPECT_EQ(read_contents(*after), read_contents(*before));
  EXPECT_EQ(after->description().metadata, before->description().metadata);
}

INSTANTIATE_TEST_SUITE_P(Fixtures, TorchRoundTripTest,
                         ::testing::Values("torch1.13_dtypes.pt", "torch1.13_state_dict.pth",
                                           "torch1.13_views.pt", "torch2.15_dtypes.pt",
                                           "torch2.15_state_dict.pth", "torch2.15_views.pt",
                                           "torch2.15_big_endian.pt"),
                         [](const auto& row) {
                           std::string name = row.param;
                           std::ranges::replace(name, '.', '_');
                           return name;
                         });

TEST(UnpackTest, KeepsTiesOfStateDictionaries) {
  const TempDir directory;
  const std::string from = kData + "/torch/torch2.15_state_dict.pth";
  ASSERT_OK_AND_ASSIGN(const Container container, open_packed(from, directory));
  ASSERT_THAT(unpack(container, directory.file("back.pth")), IsOk());
  ASSERT_OK_AND_ASSIGN(const auto before, open_tensor_source(from));
  ASSERT_OK_AND_ASSIGN(const auto after, open_tensor_source(directory.file("back.pth")));
  EXPECT_FALSE(ties_of(*before).empty());
  EXPECT_EQ(ties_of(*after), ties_of(*before));
}

TEST(UnpackTest, WritesSafetensorsAsACheckpoint) {
  const TempDir directory;
  const std::string from = kData + "/safetensors/model.safetensors";
  ASSERT_OK_AND_ASSIGN(const Container container, open_packed(from, directory));
  ASSERT_THAT(unpack(container, directory.file("back.bin")), IsOk());
  ASSERT_OK_AND_ASSIGN(const auto before, open_tensor_source(from));
  ASSERT_OK_AND_ASSIGN(const auto after, open_tensor_source(directory.file("back.bin")));
  EXPECT_EQ(after->description().format, "torch-zip");
  EXPECT_EQ(read_contents(*after), read_contents(*before));
  EXPECT_TRUE(after->description().metadata.empty());
}

class UnpackModelTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto container = open_packed(kData + "/safetensors/model.safetensors", directory_);
    ASSERT_THAT(container, IsOk());
    container_.emplace(*std::move(container));
  }
  // Nothing but the container is left.
  void expect_nothing_written() const { EXPECT_EQ(count_files(directory_), 1U); }

  TempDir directory_;
  std::optional<Container> container_;
};

TEST_F(UnpackModelTest, RejectsNamesThatSayNoFormat) {
  EXPECT_THAT(unpack(*container_, directory_.file("back.gguf")),
              Fails(ErrorCode::kInvalidArgument, "back.gguf: the name ends in none of"));
  expect_nothing_written();
  EXPECT_THAT(unpack(*container_, directory_.file("back"), {.format = UnpackFormat::kTorch}),
              IsOk());
}

TEST_F(UnpackModelTest, RejectsAnExistingFileUnlessItIsToBeReplaced) {
  const std::string to = directory_.write("back.safetensors", "old");
  EXPECT_THAT(unpack(*container_, to), Fails(ErrorCode::kIo, "back.safetensors: already exists"));
  EXPECT_EQ(testing::read_file(to), "old");
  EXPECT_THAT(unpack(*container_, to, {.replace = true}), IsOk());
  EXPECT_NE(testing::read_file(to), "old");
}

TEST(UnpackTest, TakesNoMoreMemoryThanIsAllowed) {
  const TempDir directory;
  testing::MemorySource source;
  for (int i = 0; i < 1000; ++i) source.add("t." + std::to_string(i), testing::pattern_bytes(1, 1));
  ASSERT_THAT(pack(source, directory.file("m.wpack")), IsOk());
  ASSERT_OK_AND_ASSIGN(const Container container, Container::open(directory.file("m.wpack")));
  const UnpackOptions little{.format = UnpackFormat::kTorch, .max_index_bytes = 180'000};
  const auto fails = Fails(ErrorCode::kLimit, "m.wpack: unpacking 1000 tensors takes about 579560");
  EXPECT_THAT(unpack(container, directory.file("back.pt"), little), fails);
  EXPECT_THAT(unpack_folder(container, directory.file("back"), little), fails);
  EXPECT_EQ(count_files(directory), 1U);
  EXPECT_THAT(unpack(container, directory.file("back.pt"), {.max_index_bytes = 200'000}), IsOk());
}

TEST_F(UnpackModelTest, ReportsProgressUpToTheLastByte) {
  std::vector<Progress> reports;
  const UnpackOptions options{.progress = [&](const Progress& progress) {
    reports.push_back(progress);
    return true;
  }};
  ASSERT_OK_AND_ASSIGN(const UnpackReport report,
                       unpack(*container_, directory_.file("back.pt"), options));
  ASSERT_GT(reports.size(), 20U);
  EXPECT_TRUE(std::ranges::is_sorted(reports, {}, &Progress::done_bytes));
  EXPECT_EQ(reports.back().done_bytes, report.tensor_bytes);
  EXPECT_EQ(reports.back().total_bytes, report.tensor_bytes);
}

TEST_F(UnpackModelTest, LeavesNothingBehindWhenItIsCancelled) {
  int calls = 0;
  const UnpackOptions options{.progress = [&](const Progress&) { return ++calls < 5; }};
  EXPECT_THAT(unpack(*container_, directory_.file("back.pt"), options),
              Fails(ErrorCode::kCancelled, "back.pt: cancelled"));
  EXPECT_EQ(calls, 5);
  expect_nothing_written();
}

TEST_F(UnpackModelTest, ReportsAFileSizeLimitAndLeavesNothingBehind) {
  rlimit old_limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &old_limit), 0);
  const rlimit small = {2'000, old_limit.rlim_max};
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const auto result = unpack(*container_, directory_.file("back.pt"));
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &old_limit), 0);
  (void)std::signal(SIGXFSZ, old_handler);
  EXPECT_THAT(result, Fails(ErrorCode::kLimit, "back.pt: "));
  expect_nothing_written();
}

TEST_F(UnpackModelTest, ReportsDamagedPayloadWhateverTheContainersPolicy) {
  ASSERT_OK_AND_ASSIGN(
      const Container unverified,
      Container::open(directory_.file("m.wpack"), {.verify = VerifyPolicy::kIndex}));
  const TensorInfo tensor = unverified.tensor_info(unverified.tensor_count() - 1);
  std::fstream shard(directory_.path() / "m.wpack" / unverified.shards().at(0).name,
                     std::ios::in | std::ios::out | std::ios::binary);
  shard.seekp(static_cast<std::streamoff>(tensor.offset));
  shard.put('\xAA');
  shard.close();
  EXPECT_THAT(unpack(unverified, directory_.file("back.pt")),
              Fails(ErrorCode::kIntegrity, "m.wpack"));
  expect_nothing_written();
}

TEST_F(UnpackModelTest, RejectsAContainerThatWasReplaced) {
  ASSERT_THAT(pack_file(kData + "/safetensors/dtypes.safetensors", directory_.file("m.wpack")),
              IsOk());
  EXPECT_THAT(unpack(*container_, directory_.file("back.pt")),
              Fails(ErrorCode::kIo, "m.wpack: was replaced since it was opened"));
  expect_nothing_written();
}

TEST(UnpackTest, RejectsElementTypesThatTheFormatLacksAndLeavesNothingBehind) {
  const TempDir directory;
  ASSERT_OK_AND_ASSIGN(const Container container,
                       open_packed(kData + "/safetensors/dtypes.safetensors", directory));
  EXPECT_THAT(unpack(container, directory.file("back.pt")),
              Fails(ErrorCode::kBadInput,
                    "back.pt: tensor \"t.float4_e2m1fn_x2\": a PyTorch "
                    "checkpoint cannot hold element type F4"));
  EXPECT_EQ(count_files(directory), 1U);
}

}  // namespace
}  // namespace wpack
