#include "human.h"

#include <gtest/gtest.h>

#include <array>

#include "exit_status.h"
#include "progress_bar.h"

namespace wpack::cli {
namespace {

TEST(HumanTest, WritesSizesWithThreeDigits) {
  EXPECT_EQ(human_size(0), "0 B");
  EXPECT_EQ(human_size(999), "999 B");
  EXPECT_EQ(human_size(1000), "1.00 kB");
  EXPECT_EQ(human_size(12'345), "12.3 kB");
  EXPECT_EQ(human_size(999'499), "999 kB");
  EXPECT_EQ(human_size(999'600), "1.00 MB");
  EXPECT_EQ(human_size(4'300'000'000), "4.30 GB");
  EXPECT_EQ(human_size(~0ULL), "18.4 EB");
}

TEST(HumanTest, WritesCountsInGroupsOfThree) {
  EXPECT_EQ(human_count(0), "0");
  EXPECT_EQ(human_count(999), "999");
  EXPECT_EQ(human_count(1000), "1,000");
  EXPECT_EQ(human_count(1'234'567), "1,234,567");
  EXPECT_EQ(human_count(1, "tensor"), "1 tensor");
  EXPECT_EQ(human_count(0, "tensor"), "0 tensors");
}

TEST(HumanTest, WritesDurationsAndRates) {
  EXPECT_EQ(human_duration(0.0000851), "85 us");
  EXPECT_EQ(human_duration(0.00124), "1.24 ms");
  EXPECT_EQ(human_duration(12.34), "12.3 s");
  EXPECT_EQ(human_rate(2'500'000'000, 2.0), "1.25 GB/s");
  EXPECT_EQ(human_rate(5, 0), "-");
}

TEST(HumanTest, WritesShapes) {
  EXPECT_EQ(human_shape({}), "[]");
  const std::array<std::uint64_t, 2> shape = {3, 0};
  EXPECT_EQ(human_shape(shape), "[3, 0]");
}

TEST(TableTest, AlignsColumnsByCharactersNotBytes) {
  Table table({Table::Align::kLeft, Table::Align::kRight});
  table.add_row({"é", "1"});
  table.add_row({"ab", "22"});
  table.add_line("a line that is wider than both columns");
  EXPECT_EQ(table.text(), "é    1\nab  22\na line that is wider than both columns\n");
}

TEST(TableTest, LetsAnOverlongCellStickOutOfItsRowAlone) {
  Table table({Table::Align::kLeft, Table::Align::kLeft});
  const std::string wide(100, 'x');
  table.add_row({wide, "1"});
  table.add_row({"y", "2"});
  EXPECT_EQ(table.text(), wide + "  1\ny  2\n");
}

TEST(ExitStatusTest, ReturnsThePinnedNumbers) {
  EXPECT_EQ(exit_status_of(ErrorCode::kInternal), 1);
  EXPECT_EQ(exit_status_of(ErrorCode::kInvalidArgument), 2);
  EXPECT_EQ(exit_status_of(ErrorCode::kNotFound), 2);
  EXPECT_EQ(exit_status_of(ErrorCode::kBadInput), 3);
  EXPECT_EQ(exit_status_of(ErrorCode::kIntegrity), 4);
  EXPECT_EQ(exit_status_of(ErrorCode::kIo), 5);
  EXPECT_EQ(exit_status_of(ErrorCode::kLimit), 6);
  EXPECT_EQ(exit_status_of(ErrorCode::kUnsupportedHost), 7);
  EXPECT_EQ(exit_status_of(ErrorCode::kCancelled), 130);
}

TEST(ProgressLineTest, ShowsShareRateAndTimeLeft) {
  EXPECT_EQ(
      progress_line("pack", {.done_bytes = 1'000'000'000, .total_bytes = 4'000'000'000}, 2.0, 100),
      "pack  25% [#######.......................] 1.00 GB / 4.00 GB, 500 MB/s, 6 s left");
}

TEST(ProgressLineTest, SaysNoTimeLeftBeforeItCanKnow) {
  EXPECT_EQ(progress_line("pack", {.done_bytes = 0, .total_bytes = 4000}, 0.1, 80),
            "pack   0% [..............................] 0 B / 4.00 kB, 0 B/s");
}

TEST(ProgressLineTest, SaysThatOnlyTheEndIsLeft) {
  EXPECT_EQ(progress_line("pack", {.done_bytes = 4000, .total_bytes = 4000}, 1.0, 100),
            "pack 100% [##############################] 4.00 kB / 4.00 kB, 4.00 kB/s, finishing");
}

TEST(ProgressLineTest, FitsIntoAnyWidth) {
  const Progress progress{.done_bytes = 1'000'000'000, .total_bytes = 4'000'000'000};
  for (std::size_t columns = 0; columns < 200; ++columns) {
    EXPECT_LE(progress_line("pack", progress, 2.0, columns).size(), columns);
  }
}

TEST(ProgressLineTest, SurvivesATotalThatIsZeroOrTooSmall) {
  EXPECT_NE(progress_line("pack", {.done_bytes = 0, .total_bytes = 0}, 1, 80).find("100%"),
            std::string::npos);
  EXPECT_NE(progress_line("pack", {.done_bytes = 9, .total_bytes = 3}, 1, 80).find("100%"),
            std::string::npos);
}

}  // namespace
}  // namespace wpack::cli
