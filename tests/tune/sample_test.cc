#include "tune/sample.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <set>

#include "support/result_matchers.h"

namespace wpack::tuning {
namespace {

using testing::Fails;

constexpr std::uint64_t kBlock = 64 << 10;
const ReadShape kShape = {"pread", kBlock, 3};

// Completes every request at once, and notes what it was asked for.
class NotingReader final : public AsyncReader {
 public:
  [[nodiscard]] std::string_view name() const noexcept override { return "noting"; }
  [[nodiscard]] ReadLimits limits() const noexcept override { return {}; }

  Result<std::size_t> submit(std::span<const ReadRequest> requests) override {
    if (fail_submit) return Error(ErrorCode::kLimit, "no requests are left");
    const std::size_t accepted = std::min(requests.size(), most_accepted);
    for (const ReadRequest& request : requests.first(accepted)) {
      ranges.push_back({request.offset, request.offset + request.out.size()});
      EXPECT_TRUE(places_.insert(request.out.data()).second) << "its memory is in use";
      waiting_.push_back(request);
    }
    deepest = std::max(deepest, waiting_.size());
    return accepted;
  }
  std::size_t poll(std::span<ReadCompletion> completions, std::size_t min_count) override {
    std::size_t count = 0;
    for (; count < std::max<std::size_t>(min_count, 1) && !waiting_.empty(); ++count) {
      completions[count].user_data = waiting_.front().user_data;
      completions[count].error = waiting_.front().offset == fail_at
                                     ? std::optional<Error>(Error(ErrorCode::kIo, "bad sector"))
                                     : std::nullopt;
      places_.erase(waiting_.front().out.data());
      waiting_.pop_front();
    }
    return count;
  }
  void cancel() noexcept override {}

  std::size_t most_accepted = 100;
  bool fail_submit = false;
  std::optional<std::uint64_t> fail_at;
  std::vector<ByteRange> ranges;
  std::size_t deepest = 0;

 private:
  std::deque<ReadRequest> waiting_;
  std::set<const std::byte*> places_;
};

class SampleTest : public ::testing::Test {
 protected:
  Result<SampleResult> sample(ByteRange window, std::chrono::seconds time,
                              const KeepGoing& keep_going = {}) {
    return read_sample(reader_, kShape,
                       {.fd = 0, .window = window, .memory = memory_, .until = Clock::now() + time},
                       keep_going);
  }
  void expect_read(ByteRange window) {
    std::uint64_t end = window.begin;
    for (const ByteRange& range : reader_.ranges) {
      EXPECT_EQ(range.begin, end);
      EXPECT_LE(range.size(), kBlock);
      end = range.end;
    }
    EXPECT_EQ(end, window.end);
  }

  NotingReader reader_;
  std::vector<std::byte> memory_ = std::vector<std::byte>(3 * kBlock);
};

TEST_F(SampleTest, ReadsTheWindowOnceWithAsMuchInFlightAsItsShapeSays) {
  const ByteRange window = {kBlock, 20 * kBlock + 4096};
  ASSERT_OK_AND_ASSIGN(const SampleResult result, sample(window, std::chrono::seconds(60)));
  expect_read(window);
  EXPECT_EQ(result.bytes, window.size());
  EXPECT_EQ(result.end, window.end);
  EXPECT_GT(result.sample.bytes_per_second, 0);
  EXPECT_GE(result.sample.cpu_seconds_per_byte, 0);
  EXPECT_EQ(reader_.deepest, 3U);
}

TEST_F(SampleTest, GoesOnWhereAReaderTakesFewerRequestsThanItIsGiven) {
  reader_.most_accepted = 1;
  const ByteRange window = {0, 7 * kBlock};
  ASSERT_OK_AND_ASSIGN(const SampleResult result, sample(window, std::chrono::seconds(60)));
  expect_read(window);
  EXPECT_EQ(result.bytes, window.size());
}

TEST_F(SampleTest, MakesTheFirstRequestsThoughTheTimeIsUp) {
  ASSERT_OK_AND_ASSIGN(const SampleResult result,
                       sample({0, 100 * kBlock}, std::chrono::seconds(-1)));
  EXPECT_EQ(result.bytes, 3 * kBlock);
  EXPECT_EQ(result.end, 3 * kBlock);
}

TEST_F(SampleTest, ReadsAWindowThatIsSmallerThanARequest) {
  ASSERT_OK_AND_ASSIGN(const SampleResult result, sample({4096, 8192}, std::chrono::seconds(60)));
  EXPECT_EQ(result.bytes, 4096U);
}

TEST_F(SampleTest, FailsAsTheReadsDo) {
  reader_.fail_at = 5 * kBlock;
  EXPECT_THAT(sample({0, 20 * kBlock}, std::chrono::seconds(60)),
              Fails(ErrorCode::kIo, "bad sector"));
}

TEST_F(SampleTest, FailsWhereNoRequestIsTaken) {
  reader_.fail_submit = true;
  EXPECT_THAT(sample({0, 20 * kBlock}, std::chrono::seconds(60)),
              Fails(ErrorCode::kLimit, "no requests are left"));
}

TEST_F(SampleTest, IsCancelledBetweenCompletions) {
  int asked = 0;
  EXPECT_THAT(sample({0, 20 * kBlock}, std::chrono::seconds(60), [&] { return ++asked < 4; }),
              Fails(ErrorCode::kCancelled, "cancelled"));
  EXPECT_EQ(asked, 4);
}

}  // namespace
}  // namespace wpack::tuning
