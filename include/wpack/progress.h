// How long calls report progress and are asked to stop.
#pragma once

#include <cstdint>
#include <functional>

namespace wpack {

// Work done so far, in bytes of tensor data. `done_bytes` never decreases and ends at
// `total_bytes`, unless bytes that were counted turned out not to be needed.
struct Progress {
  std::uint64_t done_bytes = 0;
  std::uint64_t total_bytes = 0;
};

// Called from the thread that made the long call, at least every few tens of milliseconds of
// work. Return false to cancel: the call then cleans up and returns kCancelled. An empty function
// means no progress and no cancelling.
using ProgressCallback = std::function<bool(const Progress&)>;

// Asked now and then by a call that has no progress of its own to tell. Returns false to cancel:
// the call then cleans up and returns kCancelled. An empty function means no cancelling.
using KeepGoing = std::function<bool()>;

}  // namespace wpack
