// A kernel that goes wrong on request, below the engines: it answers reads with fewer bytes or an
// error, refuses submissions or takes a part of them, interrupts waiting, and gives results late
// and in another order. What an answer does not cover is overwritten, so that nobody can use it.
#pragma once

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <random>
#include <utility>
#include <vector>

#include "io/kernel_queue.h"
#include "io/pread_reader.h"

namespace wpack::testing {

// The calls of one kind that go wrong, counted from 1; none by default.
struct Calls {
  static constexpr std::uint64_t kEvery = std::numeric_limits<std::uint64_t>::max();
  std::uint64_t first = kEvery;
  std::uint64_t last = 0;
  [[nodiscard]] bool contain(std::uint64_t number) const {
    return first <= number && number <= last;
  }
};

struct KernelFaults {
  Calls reads = {};  // as they end, those of the rest of a read as well
  // The answer in place of the kernel's: given how many bytes were asked for, bytes or -errno.
  std::function<std::int64_t(std::uint64_t size)> answer = {};
  Calls submissions = {};  // of a queue
  int submit_error = 0;    // 0: they take one read
  Calls waits = {};        // of a queue
  int wait_error = EINTR;
  bool one_by_one =
      false;  // a queue gives no more results than it must, and all have ended by then
  std::uint32_t shuffle = 0;  // and these in the order that this seed makes
};

class FaultyKernel {
 public:
  explicit FaultyKernel(KernelFaults faults) : faults_(std::move(faults)) {}

  [[nodiscard]] const KernelFaults& faults() const { return faults_; }
  [[nodiscard]] bool was_met() const { return met_; }

  // How many reads were in the kernel when their queue was destroyed.
  [[nodiscard]] std::size_t left_behind() const { return left_behind_; }
  void leave_behind(std::size_t reads) { left_behind_ = reads; }

  // These count a call, and say whether it goes wrong.
  [[nodiscard]] bool fails_submission() { return meets(faults_.submissions, ++submissions_); }
  [[nodiscard]] bool fails_wait() { return meets(faults_.waits, ++waits_); }
  // Counts a read that ended with `result`, and returns what to answer.
  [[nodiscard]] std::int64_t answer(MutableBytes out, std::int64_t result) {
    if (!meets(faults_.reads, ++reads_)) return result;
    const std::int64_t wrong = std::min(result, faults_.answer(out.size()));
    std::ranges::fill(out.subspan(static_cast<std::size_t>(std::max<std::int64_t>(wrong, 0))),
                      std::byte{0xEE});
    return wrong;
  }

 private:
  bool meets(const Calls& calls, std::uint64_t number) {
    if (!calls.contain(number)) return false;
    met_ = true;
    return true;
  }

  const KernelFaults faults_;
  std::atomic<std::uint64_t> reads_ = 0;
  std::atomic<std::uint64_t> submissions_ = 0;
  std::atomic<std::uint64_t> waits_ = 0;
  std::atomic<bool> met_ = false;
  std::size_t left_behind_ = 0;
};

inline io::Pread faulty_pread(std::shared_ptr<FaultyKernel> kernel) {
  return
      [kernel = std::move(kernel)](int fd, void* out, std::size_t size, off_t offset) -> ssize_t {
        const ssize_t got = ::pread(fd, out, size, offset);
        const std::int64_t result =
            kernel->answer({static_cast<std::byte*>(out), size}, got >= 0 ? got : -errno);
        if (result >= 0) return static_cast<ssize_t>(result);
        errno = static_cast<int>(-result);
        return -1;
      };
}

class FaultyQueue final : public io::KernelQueue {
 public:
  FaultyQueue(std::unique_ptr<io::KernelQueue> queue, std::shared_ptr<FaultyKernel> kernel)
      : queue_(std::move(queue)), kernel_(std::move(kernel)), random_(kernel_->faults().shuffle) {}
  // The kernel still writes to the memory of reads that are left behind.
  ~FaultyQueue() override {
    kernel_->leave_behind(open_.size() + ended_.size());
    collect(open_.size());
  }

  int submit(std::span<const io::KernelRead> reads) noexcept override {
    if (kernel_->fails_submission()) {
      if (kernel_->faults().submit_error != 0) return -kernel_->faults().submit_error;
      reads = reads.first(1);
    }
    const int taken = queue_->submit(reads);
    for (int i = 0; i < taken; ++i) open_.push_back(reads[static_cast<std::size_t>(i)]);
    return taken;
  }

  int wait(std::span<io::KernelResult> results, std::uint32_t min_count) noexcept override {
    if (kernel_->fails_wait()) return -kernel_->faults().wait_error;
    const bool late = kernel_->faults().one_by_one;
    const std::size_t missing = min_count - std::min<std::size_t>(min_count, ended_.size());
    collect(late ? open_.size() : missing);
    if (kernel_->faults().shuffle != 0) std::shuffle(ended_.begin(), ended_.end(), random_);
    const std::size_t most = late ? std::max<std::size_t>(min_count, 1) : results.size();
    const std::size_t count = std::min({results.size(), most, ended_.size()});
    std::copy_n(ended_.begin(), count, results.begin());
    ended_.erase(ended_.begin(), ended_.begin() + static_cast<std::ptrdiff_t>(count));
    return static_cast<int>(count);
  }

 private:
  // Takes the results that there are, and waits for `min_count` of them.
  void collect(std::size_t min_count) {
    std::vector<io::KernelResult> results(open_.size() + 1);
    for (std::size_t got = 0; got == 0 || got < min_count;) {
      const std::size_t missing = min_count - std::min(min_count, got);
      const int count = queue_->wait(results, static_cast<std::uint32_t>(missing));
      for (int i = 0; i < count; ++i) end(results[static_cast<std::size_t>(i)]);
      got += static_cast<std::size_t>(std::max(count, 0));
      if (min_count == 0) return;
    }
  }

  void end(io::KernelResult result) {
    const auto found = std::ranges::find(open_, result.tag, &io::KernelRead::tag);
    result.result = kernel_->answer(found->out, result.result);
    open_.erase(found);
    ended_.push_back(result);
  }

  const std::unique_ptr<io::KernelQueue> queue_;
  const std::shared_ptr<FaultyKernel> kernel_;
  std::mt19937 random_;
  std::vector<io::KernelRead> open_;  // in the kernel
  std::vector<io::KernelResult> ended_;
};

}  // namespace wpack::testing
