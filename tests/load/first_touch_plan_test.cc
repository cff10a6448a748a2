// How many threads fault memory in, by what its first touch costs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "load/read_situation.h"

namespace wpack::load {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;

struct TouchRow {
  const char* name;
  Change change;
  std::uint32_t threads;
  std::optional<std::uint64_t> cost;
};

Change touch_of(std::optional<std::uint64_t> small, std::optional<std::uint64_t> huge) {
  return tuned_to([=](ReadProfile& p) { p.first_touch = {small, huge}; });
}
Change huge_pages(const char* mode) {
  return [mode](Situation& s) { s.host.transparent_huge_pages = std::string(mode); };
}

const TouchRow kTouchRows[] = {
    {"NotMeasured", coded, 3, std::nullopt},
    {"NotMeasuredOnTwoProcessors", together({coded, processors(2)}), 1, std::nullopt},
    {"NotMeasuredWithAQuota", together({coded, quota(1.5)}), 1, std::nullopt},
    {"KernelThatDoesNotFaultIn", together({coded, no_reading_in, touch_of(1, 2)}), 0, 2},
    {"FasterThanAnyDisk", together({coded, touch_of(300'000, 80'000)}), 1, 80'000},
    {"AsFastAsADisk", together({coded, touch_of(300'000, 170'000)}), 1, 170'000},
    {"SlowerThanADisk", together({coded, touch_of(300'000, 170'001)}), 2, 170'001},
    {"SlowerThanThreeThreads", together({coded, touch_of(300'000, 900'000)}), 3, 900'000},
    {"SlowOnTwoProcessors", together({coded, processors(2), touch_of(300'000, 900'000)}), 1,
     900'000},
    {"SmallPagesAlone", together({coded, huge_pages("never"), touch_of(90'000, 900'000)}), 1,
     90'000},
    {"HugePagesWhereAsked", together({coded, huge_pages("madvise"), touch_of(90'000, 900'000)}), 3,
     900'000},
    {"HugePagesNotMeasured", together({coded, touch_of(90'000, std::nullopt)}), 3, std::nullopt},
    {"ProfileOfAnotherPlace",
     together(
         {coded, touch_of(90'000, 80'000), [](Situation& s) { s.needs.profile->kernel = ""; }}),
     3, std::nullopt},
    {"MemoryOfTheCaller", together({device, touch_of(90'000, 80'000)}), 0, std::nullopt},
    {"Mapped", touch_of(90'000, 80'000), 0, std::nullopt},
};

class FirstTouchTest : public ::testing::TestWithParam<TouchRow> {};

TEST_P(FirstTouchTest, IsPlannedAsTheTableSays) {
  const ReadChoice choice = choose(GetParam().change);
  EXPECT_EQ(choice.fault_threads, GetParam().threads);
  EXPECT_EQ(choice.first_touch, GetParam().cost);
  EXPECT_EQ(std::ranges::any_of(choice.reasons,
                                [](const std::string& reason) {
                                  return reason.find("first touch") != std::string::npos;
                                }),
            GetParam().cost.has_value());
}

INSTANTIATE_TEST_SUITE_P(Hosts, FirstTouchTest, ::testing::ValuesIn(kTouchRows),
                         [](const auto& row) { return row.param.name; });

TEST(ReasonsTest, SayWhatTheFirstTouchOfMemoryCosts) {
  EXPECT_THAT(choose(together({coded, touch_of(1, 209'715)})).reasons,
              Contains("the first touch of memory takes one thread 0.200 s/GB: 2 threads fault it "
                       "in ahead"));
  EXPECT_THAT(choose(together({coded, touch_of(1, 104'858)})).reasons,
              Contains(HasSubstr("0.100 s/GB: 1 thread faults it in ahead")));
}

}  // namespace
}  // namespace wpack::load
