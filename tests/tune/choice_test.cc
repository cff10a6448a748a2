// The choice out of numbers: no disk and no clock.
#include "tune/choice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace wpack::tuning {
namespace {

using ::testing::HasSubstr;

const ReadShape kStandard = {"io_uring", 2 << 20, 16};
const ReadShape kOther = {"pread", 1 << 20, 8};

// Rates in GB/s and costs in CPU s/GB, one a round.
MeasuredShape measured(const ReadShape& shape, const std::vector<double>& rates,
                       const std::vector<double>& costs) {
  MeasuredShape result{.shape = shape, .rounds = {}};
  for (std::size_t i = 0; i < rates.size(); ++i) {
    add_round(result, {.bytes_per_second = rates[i] * 1e9,
                       .cpu_seconds_per_byte = costs.at(i % costs.size()) / 1e9});
  }
  return result;
}

TuneChoice choose_of(const std::vector<MeasuredShape>& shapes) { return choose(shapes, kStandard); }

TEST(TuneChoiceTest, MediansAreOfTheRounds) {
  const MeasuredShape shape = measured(kOther, {3, 1, 2}, {0.3, 0.1, 0.8});
  EXPECT_DOUBLE_EQ(shape.bytes_per_second, 2e9);
  EXPECT_DOUBLE_EQ(shape.cpu_seconds_per_byte, 0.3e-9);
  EXPECT_DOUBLE_EQ(measured(kOther, {4, 1, 2, 3}, {0.1}).bytes_per_second, 2.5e9);
}

TEST(TuneChoiceTest, NothingIsChosenOutOfNothing) {
  const TuneChoice choice = choose_of({});
  EXPECT_EQ(choice.outcome, TuneOutcome::kNotMeasured);
  EXPECT_EQ(choice.shape, std::nullopt);
  EXPECT_EQ(choose_of({measured(kStandard, {}, {}), measured(kOther, {}, {})}).outcome,
            TuneOutcome::kNotMeasured);
}

TEST(TuneChoiceTest, AFasterShapeIsChosen) {
  const TuneChoice choice = choose_of(
      {measured(kStandard, {1.0, 1.1, 0.9}, {0.1}), measured(kOther, {2.0, 1.9, 2.1}, {0.1})});
  EXPECT_EQ(choice.outcome, TuneOutcome::kTuned);
  EXPECT_EQ(choice.shape, kOther);
  EXPECT_EQ(choice.reason,
            "2.00 GB/s at 0.100 CPU s/GB, and the default 1.00 GB/s at 0.100 CPU "
            "s/GB");
}

TEST(TuneChoiceTest, AFasterShapeIsChosenThoughItCostsMore) {
  const TuneChoice choice = choose_of(
      {measured(kStandard, {1.0, 1.1, 0.9}, {0.1}), measured(kOther, {2.0, 1.9, 2.1}, {0.5})});
  EXPECT_EQ(choice.shape, kOther);
}

TEST(TuneChoiceTest, OfShapesThatAreAsFastTheCheapestIsChosen) {
  const ReadShape cheap = {"libaio", 8 << 20, 4};
  const TuneChoice choice = choose_of({measured(kStandard, {2.0, 2.0, 2.0}, {0.20, 0.21, 0.22}),
                                       measured(kOther, {2.1, 2.1, 2.1}, {0.15, 0.16, 0.17}),
                                       measured(cheap, {2.0, 2.02, 2.05}, {0.05, 0.06, 0.07})});
  EXPECT_EQ(choice.outcome, TuneOutcome::kTuned);
  EXPECT_EQ(choice.shape, cheap);
}

TEST(TuneChoiceTest, AShapeThatIsSlowerByMoreThanTheToleranceIsNotChosenHoweverCheap) {
  const TuneChoice choice = choose_of(
      {measured(kStandard, {2.0, 2.0, 2.0}, {0.5}), measured(kOther, {1.89, 1.89, 1.89}, {0.01})});
  EXPECT_EQ(choice.outcome, TuneOutcome::kDefault);
  EXPECT_EQ(choice.shape, kStandard);
  EXPECT_THAT(choice.reason, HasSubstr("cheapest within 5 % of the best rate"));
}

TEST(TuneChoiceTest, OfShapesThatCostTheSameTheOneWithFewerRequestsThenLessMemoryIsChosen) {
  const ReadShape deep = {"pread", 1 << 20, 16};
  const ReadShape large = {"pread", 2 << 20, 4};
  const ReadShape small = {"pread", 1 << 20, 4};
  const TuneChoice choice =
      choose_of({measured(kStandard, {1, 1, 1}, {0.9}), measured(deep, {3, 3, 3}, {0.100}),
                 measured(large, {3, 3, 3}, {0.101}), measured(small, {3, 3, 3}, {0.103})});
  EXPECT_EQ(choice.shape, small);
}

TEST(TuneChoiceTest, RoundsThatOverlapAreNoise) {
  const TuneChoice choice = choose_of({measured(kStandard, {1.0, 1.5, 0.9}, {0.1, 0.2, 0.3}),
                                       measured(kOther, {1.4, 1.6, 1.7}, {0.1, 0.2, 0.3})});
  EXPECT_EQ(choice.outcome, TuneOutcome::kNoise);
  EXPECT_EQ(choice.shape, kStandard);
  EXPECT_THAT(choice.reason, HasSubstr("does not differ by more than rounds differ"));
}

TEST(TuneChoiceTest, ARoundThatWasDisturbedMakesNoNoise) {
  const TuneChoice choice = choose_of({measured(kStandard, {1.0, 1.1, 0.9, 2.2}, {0.1}),
                                       measured(kOther, {2.0, 0.4, 2.1, 1.9}, {0.1})});
  EXPECT_EQ(choice.outcome, TuneOutcome::kTuned);
  const TuneChoice two = choose_of({measured(kStandard, {1.0, 2.1, 0.9, 2.2}, {0.1}),
                                    measured(kOther, {2.0, 0.4, 2.1, 1.9}, {0.1})});
  EXPECT_EQ(two.outcome, TuneOutcome::kNoise);
}

TEST(TuneChoiceTest, ADifferenceBelowTheToleranceIsNoiseHoweverSteady) {
  const TuneChoice choice = choose_of({measured(kStandard, {2.0, 2.0, 2.0}, {0.100}),
                                       measured(kOther, {2.05, 2.05, 2.05}, {0.099})});
  EXPECT_EQ(choice.outcome, TuneOutcome::kNoise);
  EXPECT_EQ(choice.shape, kStandard);
}

TEST(TuneChoiceTest, ACostThatOverlapsIsNoise) {
  const TuneChoice choice = choose_of({measured(kStandard, {2, 2, 2}, {0.10, 0.20, 0.30}),
                                       measured(kOther, {2, 2, 2}, {0.05, 0.08, 0.11})});
  EXPECT_EQ(choice.outcome, TuneOutcome::kNoise);
}

TEST(TuneChoiceTest, ACostOfZeroIsNoReasonToDivideByIt) {
  const TuneChoice choice =
      choose_of({measured(kStandard, {2, 2, 2}, {0}), measured(kOther, {2, 2, 2}, {0})});
  EXPECT_EQ(choice.shape, kStandard) << "nothing is cheaper than nothing";
}

TEST(TuneChoiceTest, FewRoundsSayNothing) {
  const TuneChoice choice =
      choose_of({measured(kStandard, {1, 1}, {0.1}), measured(kOther, {9, 9}, {0.1})});
  EXPECT_EQ(choice.outcome, TuneOutcome::kTooFewRounds);
  EXPECT_EQ(choice.shape, kStandard);
  EXPECT_THAT(choice.reason, HasSubstr("2 rounds are too few"));
  EXPECT_EQ(choose_of({measured(kStandard, {1, 1, 1}, {0.1}), measured(kOther, {9}, {0.1})}).shape,
            kStandard);
}

TEST(TuneChoiceTest, WhereTheDefaultCouldNotBeMeasuredTheBestIsChosen) {
  EXPECT_EQ(choose_of({measured(kOther, {1, 1, 1}, {0.1})}).outcome, TuneOutcome::kTuned);
  EXPECT_EQ(choose_of({measured(kOther, {1, 1, 1}, {0.1})}).shape, kOther);
  EXPECT_EQ(choose_of({measured(kOther, {1}, {0.1})}).outcome, TuneOutcome::kTooFewRounds);
  EXPECT_EQ(choose_of({measured(kOther, {1}, {0.1})}).shape, kStandard);
}

TEST(TuneChoiceTest, WhatFallsFarBehindInItsBestRoundGetsNoOther) {
  EXPECT_TRUE(deserves_another_round(measured(kOther, {}, {}), 2e9));
  EXPECT_TRUE(deserves_another_round(measured(kOther, {1.5, 1.4}, {1}), 2e9)) << "too early";
  EXPECT_TRUE(deserves_another_round(measured(kOther, {0.1, 0.2, 1.7}, {1}), 2e9));
  EXPECT_FALSE(deserves_another_round(measured(kOther, {1.5, 1.4, 1.5}, {0.001}), 2e9));
}

TEST(TuneOutcomeTest, HasATextForEachOutcome) {
  EXPECT_EQ(to_string(TuneOutcome::kNotMeasured), "not measured");
  EXPECT_EQ(to_string(TuneOutcome::kTooFewRounds), "too few rounds");
  EXPECT_EQ(to_string(TuneOutcome::kNoise), "noise");
  EXPECT_EQ(to_string(TuneOutcome::kDefault), "default");
  EXPECT_EQ(to_string(TuneOutcome::kTuned), "tuned");
}

}  // namespace
}  // namespace wpack::tuning
