#include "load/fault_ahead.h"

#include <algorithm>

#include "base/align.h"
#include "os/anonymous_memory.h"
#include "os/thread.h"

namespace wpack::load {
namespace {

using base::kMebibyte;

// Below, starting a thread takes as long.
constexpr std::uint64_t kMinSize = 8 * kMebibyte;
// What one call faults in: so little that ending early is soon done.
constexpr std::uint64_t kStep = 2 * kMebibyte;

}  // namespace

FaultAhead::FaultAhead(const std::vector<MutableBytes>& memory, std::uint32_t threads,
                       const AccessCounters& counters)
    : counters_(counters) {
  std::uint64_t size = 0;
  for (const MutableBytes bytes : memory) {
    if (os::ends_faulted_in(bytes)) continue;
    size += bytes.size();
    for (std::uint64_t begin = 0; begin < bytes.size(); begin += kStep)
      steps_.push_back(bytes.subspan(begin, std::min(kStep, bytes.size() - begin)));
  }
  if (size < kMinSize) return;
  os::start_threads(threads_, threads, [this] { work(); });
}

FaultAhead::~FaultAhead() {
  next_ = steps_.size();
  for (std::thread& thread : threads_) thread.join();
}

void FaultAhead::work() noexcept {
  const TraceSpan span(counters_, "fault memory in", {}, 0);
  for (std::size_t step = next_++; step < steps_.size(); step = next_++) {
    if (!os::fault_in(steps_[step])) return;
  }
}

}  // namespace wpack::load
