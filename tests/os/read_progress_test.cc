#include "os/read_progress.h"

#include <gtest/gtest.h>

#include <vector>

#include "support/result_matchers.h"

namespace wpack::os {
namespace {

using ::testing::HasSubstr;

constexpr std::uint64_t kGranule = 512;

class ReadProgressTest : public ::testing::Test {
 protected:
  std::vector<std::byte> memory_{std::vector<std::byte>(4 * kGranule)};
  ReadProgress progress_{8192, memory_, kGranule};

  void expect_next(std::uint64_t offset, std::uint64_t size) {
    ASSERT_FALSE(progress_.finished());
    EXPECT_EQ(progress_.offset(), offset);
    EXPECT_EQ(progress_.rest().size(), size);
    EXPECT_EQ(progress_.rest().data(), memory_.data() + (offset - 8192));
  }
  void expect_error(const std::string& message) {
    ASSERT_TRUE(progress_.finished());
    const auto error = progress_.take_error();
    ASSERT_TRUE(error);
    EXPECT_EQ(error->message(), message);
  }
};

TEST_F(ReadProgressTest, IsFinishedWhenAllIsThere) {
  expect_next(8192, 2048);
  progress_.advance(2048);
  EXPECT_TRUE(progress_.finished());
  EXPECT_FALSE(progress_.take_error());
}

TEST_F(ReadProgressTest, IsFinishedAtOnceWhenNothingIsWanted) {
  EXPECT_TRUE(ReadProgress(1, {}).finished());
}

TEST_F(ReadProgressTest, GoesOnAtTheLastGranuleThatIsWhole) {
  progress_.advance(1);
  expect_next(8192, 2048);
  progress_.advance(513);
  expect_next(8704, 1536);
  progress_.advance(512);
  expect_next(9216, 1024);
  progress_.advance(1023);
  expect_next(9728, 512);
  progress_.advance(512);
  EXPECT_TRUE(progress_.finished());
  EXPECT_FALSE(progress_.take_error());
}

TEST_F(ReadProgressTest, CountsGranulesFromTheStartOfTheRead) {
  ReadProgress progress(100, memory_, kGranule);  // memory is what has the larger alignment here
  progress.advance(700);
  EXPECT_EQ(progress.offset(), 612U);
}

TEST_F(ReadProgressTest, TakesAReadThatEndsWhereTheLastOneDidForTheEndOfTheFile) {
  progress_.advance(700);
  expect_next(8704, 1536);
  progress_.advance(188);
  expect_error("file ends at offset 8892, 1348 bytes too soon");
}

TEST_F(ReadProgressTest, TakesAReadThatEndsBeforeTheLastOneForTheEndOfTheFile) {
  progress_.advance(700);
  progress_.advance(10);
  expect_error("file ends at offset 8714, 1526 bytes too soon");
}

TEST_F(ReadProgressTest, TakesAReadOfNothingForTheEndOfTheFile) {
  progress_.advance(0);
  expect_error("file ends at offset 8192, 2048 bytes too soon");
}

TEST_F(ReadProgressTest, NeverTakesMoreThanItAskedFor) {
  progress_.advance(1 << 30);
  EXPECT_TRUE(progress_.finished());
  EXPECT_FALSE(progress_.take_error());
}

TEST_F(ReadProgressTest, ReportsWhatItWantedLast) {
  progress_.advance(512);
  progress_.advance(-EIO);
  expect_error("read of 1536 bytes at offset 8704 failed: Input/output error");
}

TEST_F(ReadProgressTest, IsInterruptedAsOftenAsItTakes) {
  for (int i = 0; i < 100'000; ++i) progress_.advance(-EINTR);
  expect_next(8192, 2048);
}

TEST_F(ReadProgressTest, IsPutOffOnlySoManyTimesInARow) {
  for (const int error : {EAGAIN, ECANCELED}) {
    ReadProgress progress(0, memory_);
    EXPECT_FALSE(progress.retried());
    for (std::uint32_t i = 0; i < ReadProgress::kMaxRetries; ++i) progress.advance(-error);
    EXPECT_TRUE(progress.retried());
    progress.advance(1);
    EXPECT_FALSE(progress.retried());
    for (std::uint32_t i = 0; i < ReadProgress::kMaxRetries; ++i) progress.advance(-error);
    EXPECT_FALSE(progress.finished());
    progress.advance(-error);
    ASSERT_TRUE(progress.finished());
    EXPECT_EQ(progress.take_error()->system_errno(), error);
  }
}

TEST_F(ReadProgressTest, AsksForNoMoreThanTheSystemTransfersAtOnce) {
  // Never touched: only its size counts.
  ReadProgress progress(0, MutableBytes(memory_.data(), (std::uint64_t{1} << 32) + kGranule), 512);
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(progress.rest().size(), kMaxTransfer);
    progress.advance(static_cast<std::int64_t>(kMaxTransfer));
  }
  EXPECT_EQ(progress.offset(), std::uint64_t{1} << 32);
  EXPECT_EQ(progress.rest().size(), kGranule);
}

}  // namespace
}  // namespace wpack::os
