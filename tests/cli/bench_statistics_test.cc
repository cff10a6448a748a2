// What runs say together.
#include "bench_statistics.h"

#include <gtest/gtest.h>

#include <vector>

namespace wpack::cli {
namespace {

using Values = std::vector<double>;

TEST(SpreadTest, TakesTheMiddleOfAnOddNumber) {
  const auto spread = spread_of(Values{3, 1, 2});
  ASSERT_TRUE(spread);
  EXPECT_EQ(spread->median, 2);
  EXPECT_EQ(spread->low, 1);
  EXPECT_EQ(spread->high, 3);
}

TEST(SpreadTest, TakesTheMeanOfTheMiddleTwoOfAnEvenNumber) {
  EXPECT_EQ(spread_of(Values{4, 1, 3, 2})->median, 2.5);
  EXPECT_EQ(spread_of(Values{7})->median, 7);
}

TEST(SpreadTest, SaysNothingOfNothing) { EXPECT_FALSE(spread_of(Values{})); }

TEST(BootstrapTest, GivesAConstantItsOwnInterval) {
  const Interval interval = bootstrap_interval(Values{1.5, 1.5, 1.5});
  EXPECT_EQ(interval.low, 1.5);
  EXPECT_EQ(interval.high, 1.5);
}

TEST(BootstrapTest, GivesTheSameIntervalEveryTime) {
  const Values values = {1.02, 1.31, 0.97, 1.18, 1.25, 1.09, 1.4};
  const Interval interval = bootstrap_interval(values);
  EXPECT_EQ(interval.low, 1.02);
  EXPECT_EQ(interval.high, 1.31);
  EXPECT_EQ(bootstrap_interval(values).low, interval.low);
  EXPECT_EQ(bootstrap_interval(values).high, interval.high);
}

TEST(BootstrapTest, NeverLeavesTheRangeOfTheValues) {
  const Interval interval = bootstrap_interval(Values{2, 8});
  EXPECT_EQ(interval.low, 2);
  EXPECT_EQ(interval.high, 8);
  EXPECT_EQ(bootstrap_interval(Values{}).high, 0);
}

// An interval that is narrower than 95 % would claim too much: medians of samples of three values
// are the smallest value in 7 of 27 cases, far more than 2.5 %.
TEST(BootstrapTest, KeepsTheSmallestOfFewValuesInTheInterval) {
  const Interval interval = bootstrap_interval(Values{1, 2, 3});
  EXPECT_EQ(interval.low, 1);
  EXPECT_EQ(interval.high, 3);
}

TEST(VerdictTest, SaysAheadOnlyWhenTheIntervalExcludesOne) {
  EXPECT_EQ(compare_ratios(Values{1.1, 1.2, 1.3, 1.1, 1.2, 1.3, 1.2})->verdict, Verdict::kAhead);
  EXPECT_EQ(compare_ratios(Values{0.9, 1.2, 1.3, 0.8, 1.2, 1.3, 0.9})->verdict, Verdict::kTied);
  EXPECT_EQ(compare_ratios(Values{0.9, 0.8, 0.7, 0.9, 0.8, 0.7, 0.9})->verdict, Verdict::kBehind);
}

TEST(VerdictTest, TakesAnIntervalThatEndsAtOneForATie) {
  EXPECT_EQ(compare_ratios(Values(7, 1.0))->verdict, Verdict::kTied);
}

TEST(VerdictTest, KeepsOneOutlierFromDecidingEitherWay) {
  EXPECT_EQ(compare_ratios(Values{1.2, 1.2, 1.2, 1.2, 1.2, 1.2, 0.1})->verdict, Verdict::kAhead);
  EXPECT_EQ(compare_ratios(Values{0.99, 0.99, 0.99, 0.99, 9, 9, 9})->verdict, Verdict::kTied);
}

TEST(VerdictTest, ClaimsNothingFromFewPairs) {
  EXPECT_EQ(compare_ratios(Values(kFewestPairs - 1, 5.0))->verdict, Verdict::kTooFew);
  EXPECT_EQ(compare_ratios(Values(kFewestPairs, 5.0))->verdict, Verdict::kAhead);
  EXPECT_FALSE(compare_ratios(Values{}));
}

TEST(VerdictTest, HasAWordForEach) {
  EXPECT_EQ(to_string(Verdict::kAhead), "ahead");
  EXPECT_EQ(to_string(Verdict::kBehind), "behind");
  EXPECT_EQ(to_string(Verdict::kTied), "tied");
  EXPECT_EQ(to_string(Verdict::kTooFew), "too few runs");
}

}  // namespace
}  // namespace wpack::cli
