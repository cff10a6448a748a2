// How far a call has come, for the callback of whoever made it.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>

#include "wpack/error.h"
#include "wpack/progress.h"

namespace wpack::load {

// Bytes that the call wants are told; what is counted are bytes of reads, of which there are more
// (padding, whole chunks) or fewer (bytes that are in memory already).
//
// Thread safety: expect() and add() from any thread, the others on the thread of the call.
class ProgressMeter {
 public:
  // How long the callback waits for its turn, however little happens.
  static constexpr auto kInterval = std::chrono::milliseconds(20);

  // `callback` outlives the meter.
  ProgressMeter(const ProgressCallback& callback, std::uint64_t wanted_bytes) noexcept
      : callback_(callback), told_{0, wanted_bytes} {}

  // So many bytes more will be read, and were.
  void expect(std::uint64_t bytes) noexcept {
    expected_.fetch_add(bytes, std::memory_order_relaxed);
  }
  void add(std::uint64_t bytes) noexcept { read_.fetch_add(bytes, std::memory_order_relaxed); }

  // Errors: kCancelled, as the callback asks.
  [[nodiscard]] Status tell() {
    const auto expected = static_cast<double>(expected_.load(std::memory_order_relaxed));
    const auto read = static_cast<double>(read_.load(std::memory_order_relaxed));
    const double share = expected > 0 ? std::min(read / expected, 1.0) : 0.0;
    const auto done = static_cast<std::uint64_t>(share * static_cast<double>(told_.total_bytes));
    return tell(std::min(done, told_.total_bytes));
  }
  // The same when all that was wanted is there.
  [[nodiscard]] Status finish() { return tell(told_.total_bytes); }

 private:
  [[nodiscard]] Status tell(std::uint64_t done) {
    told_.done_bytes = std::max(told_.done_bytes, done);  // more may be expected than before
    if (!callback_ || callback_(told_)) return {};
    return Error(ErrorCode::kCancelled, "reading was cancelled");
  }

  const ProgressCallback& callback_;
  Progress told_;
  std::atomic<std::uint64_t> expected_{0};
  std::atomic<std::uint64_t> read_{0};
};

}  // namespace wpack::load
