#include "pack/ties.h"

#include <gtest/gtest.h>

#include "support/memory_source.h"
#include "support/result_matchers.h"

namespace wpack::packing {
namespace {

using testing::Fails;
using testing::IsOk;
using testing::MemorySource;
using testing::pattern_bytes;

std::vector<PlannedTensor> ties_of(const MemorySource& source) {
  std::vector<PlannedTensor> tensors(source.description().tensors.size());
  for (std::size_t i = 0; i < tensors.size(); ++i) tensors[i].source_index = i;
  find_ties(source.description().tensors, tensors);
  return tensors;
}

TEST(TiesTest, MakesTheLaterOfTwoEqualViewsTheAlias) {
  MemorySource source;
  source.add("embed", pattern_bytes(64, 1)).add_view("head", 0, 0, DType::kU8, {64});
  const auto tensors = ties_of(source);
  EXPECT_EQ(tensors[0].alias_of, PlannedTensor::kNotAlias);
  EXPECT_EQ(tensors[1].alias_of, 0U);
}

TEST(TiesTest, MakesTheLargerTensorTheOwnerWhateverTheOrder) {
  MemorySource source;
  source.add("unused", pattern_bytes(64, 1));
  source.mutable_description().tensors.clear();
  source.add_view("part", 0, 16, DType::kF32, {4}).add_view("whole", 0, 0, DType::kF32, {16});
  const auto tensors = ties_of(source);
  EXPECT_EQ(tensors[0].alias_of, 1U);
  EXPECT_EQ(tensors[0].alias_offset, 16U);
  EXPECT_EQ(tensors[1].alias_of, PlannedTensor::kNotAlias);
}

TEST(TiesTest, SharesOneStorageUnderSeveralTypes) {
  MemorySource source;
  source.add("bytes", pattern_bytes(64, 1)).add_view("floats", 0, 0, DType::kF32, {16});
  EXPECT_EQ(ties_of(source)[1].alias_of, 0U);
}

TEST(TiesTest, RejectsViewsThatOverlapOrStartInsideAnElement) {
  MemorySource source;
  source.add("unused", pattern_bytes(64, 1));
  source.mutable_description().tensors.clear();
  source.add_view("front", 0, 0, DType::kU8, {40})
      .add_view("back", 0, 24, DType::kU8, {40})
      .add_view("odd", 0, 25, DType::kU8, {16})
      .add_view("misaligned", 0, 28, DType::kF64, {1});
  const auto tensors = ties_of(source);
  EXPECT_EQ(tensors[1].alias_of, PlannedTensor::kNotAlias);
  EXPECT_EQ(tensors[2].alias_of, 1U);
  EXPECT_EQ(tensors[3].alias_of, PlannedTensor::kNotAlias);
}

// A view that has to keep bytes of its own does not part equal views around it.
TEST(TiesTest, KeepsEqualViewsTogetherWhateverStandsBetween) {
  MemorySource source;
  source.add("whole", pattern_bytes(64, 1))
      .add_view("view", 0, 3, DType::kU8, {4})
      .add_view("misaligned", 0, 3, DType::kF32, {1})
      .add_view("the same view", 0, 3, DType::kU8, {4})
      .add_view("misaligned too", 0, 3, DType::kF32, {1})
      .add_view("later", 0, 5, DType::kU8, {8});
  const auto tensors = ties_of(source);
  EXPECT_EQ(tensors[1].alias_of, 0U);
  EXPECT_EQ(tensors[2].alias_of, PlannedTensor::kNotAlias);
  EXPECT_EQ(tensors[3].alias_of, 0U);
  EXPECT_EQ(tensors[4].alias_of, 2U);
  EXPECT_EQ(tensors[5].alias_of, 0U);
}

TEST(TiesTest, LeavesEmptyAndConvertedTensorsAlone) {
  MemorySource source;
  source.add("a", pattern_bytes(8, 1)).add_view("empty", 0, 0, DType::kU8, {0});
  source.add_view("gathered", 0, 0, DType::kU8, {8});
  source.mutable_description().tensors[2].storage.reset();
  const auto tensors = ties_of(source);
  EXPECT_EQ(tensors[1].alias_of, PlannedTensor::kNotAlias);
  EXPECT_EQ(tensors[2].alias_of, PlannedTensor::kNotAlias);
}

TEST(TiesTest, CountsTensorsOfTheSameBytesOnce) {
  constexpr std::uint64_t kGibibyte = std::uint64_t{1} << 30;
  std::vector<format::TensorPlace> places(100, {0, 0, kGibibyte});
  EXPECT_THAT(check_overlap(places, 1), IsOk());
  places.emplace_back(0, 0, 1);
  EXPECT_THAT(check_overlap(places, 1),
              Fails(ErrorCode::kLimit,
                    "checksums cover 1073741825 bytes, more than the 1073741824 that the format"));
}

TEST(TiesTest, AllowsTensorsToOverlap64Times) {
  constexpr std::uint64_t kGibibyte = std::uint64_t{1} << 30;
  std::vector<format::TensorPlace> places;
  for (std::uint64_t i = 0; i < 64; ++i) places.emplace_back(0, i, kGibibyte);
  EXPECT_THAT(check_overlap(places, kGibibyte), IsOk());
  places.emplace_back(0, 64, 1);
  EXPECT_THAT(check_overlap(places, kGibibyte), Fails(ErrorCode::kLimit, "overlap so much"));
}

}  // namespace
}  // namespace wpack::packing
