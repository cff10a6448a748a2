// Submissions of which the ring keeps a part.
#include "io/io_uring_queue.h"

#include <gtest/gtest.h>
#include <liburing.h>

#include <algorithm>
#include <cerrno>
#include <numeric>
#include <vector>

#include "os/file.h"
#include "support/memory_file.h"
#include "support/result_matchers.h"

namespace wpack::io {
namespace {

using testing::IsOk;

constexpr std::uint32_t kDepth = 4;

int submit_nothing(::io_uring*) { return -EAGAIN; }

// The kernel takes the first entry, and the others stay in the ring.
int submit_one(::io_uring* ring) {
  const unsigned tail = ring->sq.sqe_tail;
  ring->sq.sqe_tail = *ring->sq.khead + 1;
  const int submitted = ::io_uring_submit(ring);
  ring->sq.sqe_tail = tail;
  return submitted;
}

int submit_nothing_first = 0;
int submit_after_refusals(::io_uring* ring) {
  return submit_nothing_first-- > 0 ? submit_nothing(ring) : ::io_uring_submit(ring);
}

class IoUringQueueTest : public ::testing::Test {
 protected:
  void open(RingSubmit submit) {
    auto queue = make_io_uring_queue(kDepth, submit);
    if (!queue && queue.error().code() == ErrorCode::kUnsupportedHost)
      GTEST_SKIP() << queue.error().message();
    ASSERT_THAT(queue, IsOk());
    queue_ = *std::move(queue);
    ASSERT_OK_AND_ASSIGN(file_, os::File::open_read(memory_file_.path()));
  }

  // One byte each of the file, each into its own place.
  [[nodiscard]] std::vector<KernelRead> reads() {
    std::vector<KernelRead> reads;
    for (std::uint32_t tag = 0; tag < kDepth; ++tag)
      reads.push_back({file_.fd(), tag, MutableBytes(memory_).subspan(tag, 1), tag});
    return reads;
  }

  // Waits for `count` results; every tag at most once.
  void expect_results(std::size_t count) {
    std::vector<KernelResult> results(kDepth);
    std::size_t got = 0;
    while (got < count) {
      const int more = queue_->wait(results, 1);
      ASSERT_GE(more, 0);
      for (int i = 0; i < more; ++i) EXPECT_EQ(results[static_cast<std::size_t>(i)].result, 1);
      got += static_cast<std::size_t>(more);
    }
    EXPECT_EQ(got, count);
    EXPECT_EQ(queue_->wait(results, 0), 0);
  }

  testing::MemoryFile memory_file_{"abcd"};
  os::File file_;
  std::vector<std::byte> memory_{std::vector<std::byte>(kDepth, std::byte{'-'})};
  std::unique_ptr<KernelQueue> queue_;

  [[nodiscard]] std::string text() const {
    return {reinterpret_cast<const char*>(memory_.data()), memory_.size()};
  }
};

TEST_F(IoUringQueueTest, NeverReadsWhatItDidNotTake) {
  submit_nothing_first = 1;
  open(submit_after_refusals);
  if (IsSkipped()) return;
  const std::vector<KernelRead> all = reads();
  EXPECT_EQ(queue_->submit(all), -EAGAIN);
  EXPECT_EQ(queue_->submit(std::span(all).subspan(1, 1)), 1);
  expect_results(1);
  EXPECT_EQ(text(), "-b--");
}

TEST_F(IoUringQueueTest, TakesTheRestLaterWhenTheKernelTookAPart) {
  open(submit_one);
  if (IsSkipped()) return;
  std::vector<KernelRead> left = reads();
  for (std::uint32_t calls = 0; !left.empty() && calls < 100; ++calls) {
    const int taken = queue_->submit(left);
    if (taken == -EAGAIN) continue;
    ASSERT_EQ(taken, 1);
    left.erase(left.begin());
    expect_results(1);
  }
  EXPECT_EQ(text(), "abcd");
}

TEST_F(IoUringQueueTest, SurvivesAnyNumberOfRefusals) {
  submit_nothing_first = 1000;
  open(submit_after_refusals);
  if (IsSkipped()) return;
  const std::vector<KernelRead> all = reads();
  for (int i = 0; i < 1000; ++i) ASSERT_EQ(queue_->submit(all), -EAGAIN);
  ASSERT_EQ(queue_->submit(all), static_cast<int>(kDepth));
  expect_results(kDepth);
  EXPECT_EQ(text(), "abcd");
}

}  // namespace
}  // namespace wpack::io
