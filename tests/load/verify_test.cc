#include "wpack/verify.h"

#include <gtest/gtest.h>

#include "load/container_scan.h"
#include "load/test_container.h"

namespace wpack::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class VerifyTest : public ::testing::Test {
 protected:
  [[nodiscard]] std::string build() { return builder_.build(directory_.path() / "m.wpack"); }
  // The faults of a container, one a line: the same whether its shards are copied or mapped.
  [[nodiscard]] static std::string faults(const std::string& path) {
    std::string texts[2];
    for (const std::uint32_t threads : {0U, 2U}) {
      auto index = load::open_index(path, 1 << 20);
      if (!index) return index.error().message();
      load::ContainerScan scan(*index, {}, 64, {.map_threads = threads});
      if (const Status ran = scan.run(); !ran) return ran.error().message();
      for (const Error& fault : scan.take_report().faults)
        texts[threads / 2] += fault.message() + "\n";
    }
    EXPECT_EQ(texts[0], texts[1]);
    return texts[0];
  }
  // The only fault of a container.
  [[nodiscard]] static std::string fault(const std::string& path) {
    auto report = verify(path);
    if (!report) return report.error().message();
    if (report->faults.size() != 1) return std::to_string(report->faults.size()) + " faults";
    EXPECT_EQ(faults(path), report->faults[0].message() + "\n");
    return report->faults[0].message();
  }

  TempDir directory_;
  ContainerBuilder builder_ = sample_builder();
};

TEST_F(VerifyTest, FindsNothingInASoundContainer) {
  const std::string path = build();
  std::uint64_t size = 0;
  for (const auto& entry : fs::directory_iterator(path)) size += entry.file_size();
  (void)std::ofstream(path + "/tokenizer.json");
  ASSERT_OK_AND_ASSIGN(const VerifyReport report, verify(path));
  EXPECT_TRUE(report.faults.empty());
  EXPECT_EQ(report.tensor_count, 9U);
  EXPECT_EQ(report.chunk_count, 5U + 1 + 4 + 1 + 1 + 1 + 2);
  EXPECT_EQ(report.checked_bytes, size);
}

TEST_F(VerifyTest, NamesTensorFileAndOffsetOfADamagedChunkOnce) {
  const std::string path = build();
  flip_byte(path + "/00000.wps", 4096 + 65'536 + 17);
  EXPECT_THAT(fault(path), HasSubstr("m.wpack/00000.wps: tensor 'embed.weight' is damaged: the "
                                     "checksum of the 65536 bytes at offset 69632 does not match"));
}

TEST_F(VerifyTest, FindsATensorWhoseOwnChecksumIsWrong) {
  builder_.row_of("layers.1.part").hash ^= 1;
  EXPECT_THAT(fault(build()), HasSubstr("00001.wps: tensor 'layers.1.part' does not match its "
                                        "checksum, though its chunks do"));
}

TEST_F(VerifyTest, FindsAnEmptyTensorWhoseChecksumIsWrong) {
  builder_.row_of("layers.0.empty").hash ^= 1;
  EXPECT_THAT(fault(build()),
              HasSubstr("index.wpi: empty tensor 'layers.0.empty' does not match its checksum"));
}

TEST_F(VerifyTest, FindsPaddingThatIsNotZero) {
  builder_.shard(0)[4096 + 300'000 + 1] = std::byte{1};
  EXPECT_THAT(fault(build()), HasSubstr("00000.wps: padding at offset 304097 is not zero"));
}

// Each lies in another piece of what is read in at a time.
TEST_F(VerifyTest, FindsDamageAnywhereInALargeShard) {
  ContainerBuilder builder;
  builder.layer("a").tensor("a.0", pattern_bytes(70 << 20, 1));
  const std::string path = builder.build(directory_.path() / "large.wpack");
  EXPECT_EQ(faults(path), "");
  const std::string shard = path + "/00000.wps";
  for (const std::uint64_t offset : {4096U, (8U << 20) + 4095U, 64U << 20, (66U << 20) + 1}) {
    flip_byte(shard, offset);
    EXPECT_THAT(faults(path), HasSubstr("tensor 'a.0' is damaged")) << offset;
    flip_byte(shard, offset);
  }
}

TEST_F(VerifyTest, FindsAWrongUuid) {
  const std::string path = build();
  std::string bytes = read_file(path + "/index.wpi");
  const auto file = std::as_bytes(std::span(bytes));
  auto envelope = format::decode_envelope(file.first(4096), bytes.size()).value();
  envelope.uuid.bytes[3] ^= 1U;
  const auto page = format::encode_envelope(envelope);
  std::memcpy(bytes.data(), page.data(), page.size());
  std::ofstream(path + "/index.wpi", std::ios::binary) << bytes;
  ASSERT_OK_AND_ASSIGN(const VerifyReport report, verify(path));
  ASSERT_EQ(report.faults.size(), 3U);  // and no shard belongs to it
  EXPECT_THAT(report.faults[0].message(), HasSubstr("m.wpack/index.wpi: UUID is "));
  EXPECT_THAT(report.faults[1].message(), HasSubstr("00000.wps: belongs to container "));
}

TEST_F(VerifyTest, GoesOnAfterAShardThatIsMissingOrWrong) {
  const std::string path = build();
  flip_byte(path + "/00001.wps", 4096 + 5);
  fs::remove(path + "/00000.wps");
  ASSERT_OK_AND_ASSIGN(const VerifyReport missing, verify(path));
  ASSERT_EQ(missing.faults.size(), 2U);
  EXPECT_EQ(missing.faults[0].code(), ErrorCode::kIo);
  EXPECT_THAT(missing.faults[0].message(), HasSubstr("00000.wps: open failed"));
  EXPECT_THAT(missing.faults[1].message(), HasSubstr("'layers.1.norm' is damaged"));
  fs::copy_file(path + "/00001.wps", path + "/00000.wps");
  ASSERT_OK_AND_ASSIGN(const VerifyReport swapped, verify(path));
  ASSERT_EQ(swapped.faults.size(), 2U);
  EXPECT_THAT(swapped.faults[0].message(), HasSubstr("is shard 1 of 2, expected shard 0 of 2"));
}

TEST_F(VerifyTest, ChecksThePayloadBehindADamagedEnvelope) {
  const std::string path = build();
  flip_byte(path + "/00000.wps", 3000);
  flip_byte(path + "/00000.wps", 4096);
  ASSERT_OK_AND_ASSIGN(const VerifyReport report, verify(path));
  ASSERT_EQ(report.faults.size(), 2U);
  EXPECT_THAT(report.faults[0].message(), HasSubstr("envelope is damaged"));
  EXPECT_THAT(report.faults[1].message(), HasSubstr("'embed.weight' is damaged"));
}

TEST_F(VerifyTest, FindsTruncatedAndUnknownShards) {
  const std::string path = build();
  fs::resize_file(path + "/00000.wps", 8192);
  fs::copy_file(path + "/00001.wps", path + "/00002.wps");
  ASSERT_OK_AND_ASSIGN(const VerifyReport report, verify(path));
  ASSERT_EQ(report.faults.size(), 2U);
  EXPECT_THAT(report.faults[0].message(), HasSubstr("00000.wps: is 8192 bytes long"));
  EXPECT_THAT(report.faults[1].message(), HasSubstr("00002.wps: is a shard that the index does"));
}

TEST_F(VerifyTest, SaysWhichTensorsItCannotCheck) {
  builder_.contents().extents[2].codec = 77;
  EXPECT_THAT(fault(build()), HasSubstr("tensor 'layers.0.up' has codec 77"));
}

TEST_F(VerifyTest, StopsAfterTheFaultsThatWereAskedFor) {
  const std::string path = build();
  for (std::uint64_t i = 0; i < 5; ++i) flip_byte(path + "/00000.wps", 4096 + 65'536 * i);
  ASSERT_OK_AND_ASSIGN(const VerifyReport report, verify(path, {.max_faults = 3}));
  EXPECT_EQ(report.faults.size(), 3U);
  ASSERT_OK_AND_ASSIGN(const VerifyReport all, verify(path));
  EXPECT_EQ(all.faults.size(), 5U);
}

// More views of one storage than are hashed at once.
TEST_F(VerifyTest, ChecksTensorsThatOverlapDeeply) {
  ContainerBuilder builder;
  builder.layer("l").tensor("all", pattern_bytes(300'000, 12));
  for (std::uint64_t i = 0; i < 200; ++i)
    builder.view("view." + std::to_string(i), "all", 1000 + i, 290'000 - 2 * i);
  const std::string path = builder.build(directory_.path() / "views.wpack");
  EXPECT_EQ(fault(path), "0 faults");
  builder.row_of("view.150").hash ^= 1;
  EXPECT_THAT(fault(builder.build(directory_.path() / "wrong.wpack")),
              HasSubstr("tensor 'view.150' does not match its checksum"));
  flip_byte(path + "/00000.wps", 4096 + 150'000);
  EXPECT_THAT(fault(path), HasSubstr("tensor 'all' is damaged"));
}

TEST_F(VerifyTest, LeavesOutTensorsThatOverlapWithoutEnd) {
  ContainerBuilder builder;
  constexpr std::uint64_t kSize = 2 << 20;
  builder.layer("l").tensor("all", pattern_bytes(kSize, 13)).view("view", "all", 1, kSize - 1);
  auto& tensors = builder.contents().tensors;
  for (std::uint64_t i = 2; i <= 600; ++i) {
    auto& view = tensors.emplace_back(tensors[1]);
    view.name += std::to_string(i);
    view.shape = {kSize - i};
    view.row.byte_offset = i;
    view.row.nbytes = kSize - i;
    ++builder.contents().layers[0].row.tensor_count;
  }
  ASSERT_OK_AND_ASSIGN(const VerifyReport report,
                       verify(builder.build(directory_.path() / "many.wpack")));
  ASSERT_EQ(report.faults.size(), 1U);
  EXPECT_EQ(report.faults[0].code(), ErrorCode::kLimit);
  EXPECT_THAT(report.faults[0].message(), HasSubstr("index.wpi: its tensors overlap so much"));
}

TEST_F(VerifyTest, RejectsAnIndexLargerThanIsAllowed) {
  EXPECT_THAT(verify(build(), {.max_index_bytes = 100}), Fails(ErrorCode::kLimit, "larger than"));
}

TEST_F(VerifyTest, RejectsWhatHasNoReadableIndex) {
  const std::string path = build();
  EXPECT_THAT(verify("/nonexistent"), Fails(ErrorCode::kIo, "/nonexistent"));
  flip_byte(path + "/index.wpi", 5000);
  EXPECT_THAT(verify(path), Fails(ErrorCode::kIntegrity, "m.wpack/index.wpi"));
}

TEST_F(VerifyTest, ReportsProgressThatEndsAtTheTotalAndCanBeCancelled) {
  ContainerBuilder builder;
  builder.layer("big").tensor("big", pattern_bytes(20 << 20, 11));
  const std::string path = builder.build(directory_.path() / "big.wpack");
  std::vector<Progress> seen;
  const auto progress = [&](const Progress& now) {
    seen.push_back(now);
    return true;
  };
  ASSERT_OK_AND_ASSIGN(const VerifyReport report, verify(path, {.progress = progress}));
  EXPECT_TRUE(report.faults.empty());
  ASSERT_GE(seen.size(), 4U);
  for (std::size_t i = 1; i < seen.size(); ++i)
    EXPECT_GE(seen[i].done_bytes, seen[i - 1].done_bytes);
  EXPECT_EQ(seen.back().done_bytes, seen.back().total_bytes);
  EXPECT_THAT(verify(path, {.progress = [](const Progress&) { return false; }}),
              Fails(ErrorCode::kCancelled, "cancelled"));
}

TEST_F(VerifyTest, OpensWithAFullCheckThatTellsItsProgressAndCanBeCancelled) {
  const std::string path = build();
  Progress last;
  OpenOptions options{.verify = VerifyPolicy::kFull};
  options.progress = [&](const Progress& now) {
    last = now;
    return true;
  };
  ASSERT_THAT(open_with(path, options), IsOk());
  EXPECT_GT(last.total_bytes, 0U);
  EXPECT_EQ(last.done_bytes, last.total_bytes);
  options.progress = [](const Progress&) { return false; };
  EXPECT_THAT(open_with(path, options), Fails(ErrorCode::kCancelled, "cancelled"));
}

TEST_F(VerifyTest, InspectsSingleFiles) {
  const std::string path = build();
  ASSERT_OK_AND_ASSIGN(const Container container, open_with(path, {}));
  ASSERT_OK_AND_ASSIGN(const EnvelopeInfo index, inspect_file(path + "/index.wpi"));
  EXPECT_TRUE(index.index);
  EXPECT_EQ(index.uuid, container.info().uuid);
  EXPECT_EQ(index.shard_count, 2U);
  EXPECT_EQ(index.data.size(), container.info().index_bytes);
  ASSERT_OK_AND_ASSIGN(const EnvelopeInfo shard, inspect_file(path + "/00001.wps"));
  EXPECT_FALSE(shard.index);
  EXPECT_EQ(shard.shard_number, 1U);
  EXPECT_EQ(shard.file_size, fs::file_size(path + "/00001.wps"));
}

TEST_F(VerifyTest, RejectsSingleFilesThatAreNotItsOwn) {
  const std::string path = build();
  EXPECT_THAT(inspect_file("/nonexistent"), Fails(ErrorCode::kIo, "/nonexistent"));
  EXPECT_THAT(inspect_file(path), Fails(ErrorCode::kBadInput, "is a directory"));
  EXPECT_THAT(inspect_file(directory_.write("a.txt", "hello")),
              Fails(ErrorCode::kBadInput, "a.txt: is not a file of wpack"));
  EXPECT_THAT(inspect_file(directory_.write("b", std::string(9000, 'x'))),
              Fails(ErrorCode::kBadInput, "b: is not a file of wpack"));
  flip_byte(path + "/00000.wps", 50);
  EXPECT_THAT(inspect_file(path + "/00000.wps"),
              Fails(ErrorCode::kIntegrity, "00000.wps: envelope is damaged"));
}

}  // namespace
}  // namespace wpack::testing
