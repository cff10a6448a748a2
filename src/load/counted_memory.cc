#include "load/counted_memory.h"

namespace wpack::load {

Result<std::vector<HostBuffer>> obtain_counted(MemoryBudget& memory,
                                               std::span<const std::uint64_t> sizes,
                                               const ReadControl& control,
                                               MemoryBudget::Reading* reading,
                                               AccessCounters& counters) {
  auto buffers = [&] {
    const PhaseTimer timer(counters, Phase::kMemory, control.caller_waits(), "wait for memory");
    return memory.obtain(sizes, control, reading);
  }();
  trace_memory_held(memory, counters);
  return buffers;
}

// Asking the budget takes its locks: not where nobody listens.
void trace_memory_held(const MemoryBudget& memory, const AccessCounters& counters) {
  if (counters.tracer == nullptr) return;
  const BufferPoolStats pool = memory.use().pool;
  trace_counter(counters, "memory held", pool.in_use + pool.free);
}

}  // namespace wpack::load
