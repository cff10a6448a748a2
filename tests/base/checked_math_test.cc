#include "base/checked_math.h"

#include <gtest/gtest.h>

#include <limits>

#include "base/align.h"

namespace wpack::base {
namespace {

constexpr std::uint64_t kMax = std::numeric_limits<std::uint64_t>::max();

TEST(CheckedMathTest, AddsUpToTheLargestValueAndRejectsOverflow) {
  EXPECT_EQ(checked_add(kMax - 1, 1), kMax);
  EXPECT_EQ(checked_add(kMax, 1), std::nullopt);
}

TEST(CheckedMathTest, MultipliesUpToTheLargestValueAndRejectsOverflow) {
  EXPECT_EQ(checked_mul(kMax / 3, 3), kMax);
  EXPECT_EQ(checked_mul(kMax / 3 + 1, 3), std::nullopt);
}

TEST(CheckedMathTest, AcceptsRangesThatEndExactlyAtTheLimit) {
  EXPECT_TRUE(range_within(4, 6, 10));
  EXPECT_TRUE(range_within(10, 0, 10));
}

TEST(CheckedMathTest, RejectsRangesPastTheLimitEvenWhenTheirEndWraps) {
  EXPECT_FALSE(range_within(4, 7, 10));
  EXPECT_FALSE(range_within(11, 0, 10));
  EXPECT_FALSE(range_within(kMax, 2, 10));
}

TEST(CheckedMathTest, CastsOnlyValuesThatFit) {
  EXPECT_EQ((checked_cast<std::uint8_t>(std::uint64_t{255})), std::uint8_t{255});
  EXPECT_EQ((checked_cast<std::uint8_t>(std::uint64_t{256})), std::nullopt);
  EXPECT_EQ((checked_cast<std::uint64_t>(std::int64_t{-1})), std::nullopt);
}

TEST(AlignTest, RoundsUpAndDown) {
  EXPECT_EQ(align_up(0, 4096), 0U);
  EXPECT_EQ(align_up(1, 4096), 4096U);
  EXPECT_EQ(align_down(4097, 4096), 4096U);
}

TEST(AlignTest, RejectsRoundingPastTheLargestValue) {
  EXPECT_EQ(checked_align_up(kMax - 4095, 4096), kMax - 4095);
  EXPECT_EQ(checked_align_up(kMax - 4094, 4096), std::nullopt);
}

}  // namespace
}  // namespace wpack::base
