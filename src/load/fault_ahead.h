// Page faults of memory that is to be filled, taken by threads of their own ahead of who fills it.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <thread>
#include <vector>

#include "load/access_counters.h"
#include "wpack/types.h"

namespace wpack::load {

// The kernel finds, clears and maps a page at its first write, and on a virtual machine so does the
// host, on the thread that writes or submits the read: 0.3 to 0.7 s/GB, where two threads took half
// of that to a tenth (format/decisions/0010).
//
// Thread safety: one thread.
class FaultAhead {
 public:
  // `memory`: in the order in which it will be filled. Starts up to `threads` threads if it is
  // large and has not been written to before. `counters` outlives it.
  FaultAhead(const std::vector<MutableBytes>& memory, std::uint32_t threads,
             const AccessCounters& counters);
  FaultAhead(const FaultAhead&) = delete;
  FaultAhead& operator=(const FaultAhead&) = delete;
  // Ends early, whatever is left: who fills memory takes the faults that are left.
  ~FaultAhead();

 private:
  void work() noexcept;

  const AccessCounters& counters_;
  std::vector<MutableBytes> steps_;
  std::atomic<std::size_t> next_{0};  // of the steps
  std::vector<std::thread> threads_;
};

}  // namespace wpack::load
