// Small files that ask for much time or memory: whatever they are made for, a run stays within its
// bounds.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <string>

#include "refusals/judge.h"
#include "support/checkpoint_builder.h"
#include "support/colliding_bytes.h"
#include "support/safetensors_bytes.h"
#include "support/sanitizer.h"

namespace wpack::refusals {
namespace {

using testing::PickleBuilder;

constexpr std::size_t kMebibyte = std::size_t{1} << 20;

class EffortTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (testing::kSanitized) GTEST_SKIP() << "a sanitizer's own memory and time are not wpack's";
  }

  Judge judge_;
};

constexpr std::size_t kFiles = 20;

std::string file_name(std::size_t file) {
  return fmt::format("pytorch_model-{:05}-of-{:05}.bin", file + 1, kFiles);
}

// Each file holds a tensor whose member is inflated, and a transposed one, of 16 MiB, that is
// gathered from it.
TEST_F(EffortTest, FilesOfAFolderKeepWhatTheyInflatedAndGatheredOneAtATime) {
  constexpr std::int64_t kCount = 30 * kMebibyte / 4;
  const auto zeros = testing::deflate_once(std::string(30 * kMebibyte, '\0'));
  for (std::size_t file = 0; file < kFiles; ++file) {
    PickleBuilder pickle;
    pickle.empty_dict();
    pickle.key(fmt::format("a.{}", file)).tensor("0", kCount, {1}, {1}).set_item();
    pickle.key(fmt::format("b.{}", file)).tensor("0", kCount, {2048, 2048}, {1, 2048}).set_item();
    testing::ZipBuilder zip = testing::checkpoint_zip(pickle.stop(), {});
    zip.add("archive/data/0", zeros);
    judge_.write(file_name(file), zip.build());
  }
  judge_.expect_success({"pack", "@", "-o", "@/folder.wpack", "-q"});
}

TEST_F(EffortTest, FilesOfAFolderMayInflateToFourGibibytesTogether) {
  const auto zeros = testing::deflate_once(std::string(30 * kMebibyte, '\0'));
  for (std::size_t file = 0; file < kFiles; ++file) {
    PickleBuilder pickle;
    pickle.empty_dict().weight(fmt::format("{}", file));
    testing::ZipBuilder zip = testing::checkpoint_zip(pickle.stop(), {"abcdefgh"});
    for (std::size_t i = 1; i <= 4096 / 30 / kFiles + 1; ++i)
      zip.add(fmt::format("archive/data/{}", i), zeros);
    judge_.write(file_name(file), zip.build());
  }
  judge_.expect_refusal({"pack", "@", "-o", "@/folder.wpack"},
                        {6, {"-of-00020.bin: zip archive: its deflated members", "more than"}});
}

TEST_F(EffortTest, ContentsWithOneChecksumAreNotAllComparedWithEachOther) {
  std::string header = "{";
  std::string payload;
  for (std::uint32_t i = 0; i < 20'000; ++i) {
    header += fmt::format(R"({}"m.{}":{{"dtype":"U8","shape":[256],"data_offsets":[{},{}]}})",
                          i == 0 ? "" : ",", i, payload.size(), payload.size() + 256);
    payload += testing::colliding_bytes(i);
  }
  judge_.write("large.file", testing::safetensors_file(header + "}", 0) + payload);
  judge_.expect_success({"pack", "@/large.file", "-o", "@/large.wpack", "-q"});
}

TEST_F(EffortTest, LayersWithLongNamesAreOrderedWithoutSearchingThemForEachPair) {
  std::string header = "{";
  for (int i = 0; i < 5'500; ++i) {
    header += fmt::format(R"({}"{:c>4000}{:06}":{{"dtype":"U8","shape":[0],"data_offsets":[0,0]}})",
                          i == 0 ? "" : ",", "", i);
  }
  judge_.write("large.file", testing::safetensors_file(header + "}", 0));
  judge_.expect_success({"pack", "@/large.file", "-o", "@/large.wpack", "-q"});
}

TEST_F(EffortTest, ViewsThatContainEachOtherAreNotAllHashed) {
  constexpr std::int64_t kSize = 15 * kMebibyte;
  PickleBuilder pickle;
  pickle.empty_dict();
  for (std::int64_t i = 0; i < 20'000; ++i) {
    pickle.key(fmt::format("t{}", i))
        .tensor("0", kSize, {kSize - i}, {1}, i, "ByteStorage")
        .set_item();
  }
  testing::ZipBuilder zip = testing::checkpoint_zip(pickle.stop(), {});
  zip.add("archive/data/0", testing::deflate_once(std::string(kSize, '\0')));
  judge_.write("large.file", zip.build());
  expect_not_packed(judge_, "large.file",
                    {6, {"large.file: its tensors overlap so much", "more than the 1073741824"}});
}

}  // namespace
}  // namespace wpack::refusals
