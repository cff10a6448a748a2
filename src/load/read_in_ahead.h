// Bringing a mapped shard in front to back, a window ahead of who goes through its bytes.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

#include "load/access_counters.h"
#include "os/mapped_region.h"
#include "wpack/error.h"
#include "wpack/types.h"

namespace wpack::load {

// Thread safety: one thread.
class ReadInAhead {
 public:
  // Starts up to `threads` threads that read ahead. Both outlive it.
  ReadInAhead(const os::MappedRegion& region, std::uint32_t threads,
              const AccessCounters& counters);
  ReadInAhead(const ReadInAhead&) = delete;
  ReadInAhead& operator=(const ReadInAhead&) = delete;
  ~ReadInAhead();

  // Waits until `range` of the region, which is not empty, is in memory; brings in itself what no
  // thread has begun, and what lies before the range of an earlier call. Errors: kIo.
  [[nodiscard]] Status wait_for(ByteRange range);

 private:
  enum class State : std::uint8_t { kIdle, kTaken, kThere, kFailed };
  void work() noexcept;
  [[nodiscard]] bool populate(ByteRange range) const noexcept;
  // With the lock held, which it lets go meanwhile.
  void bring_in(std::unique_lock<std::mutex>& lock, std::size_t piece);

  const os::MappedRegion& region_;
  const AccessCounters& counters_;
  std::mutex mutex_;
  std::condition_variable moved_;    // used_ has
  std::condition_variable arrived_;  // a piece has, or has failed
  std::vector<State> pieces_;
  std::size_t used_ = 0;  // pieces before it are no longer needed
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace wpack::load
