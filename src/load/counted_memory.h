// Memory of the budget for a call: how long it took, and how much is held then, for the statistics
// and the trace.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "load/access_counters.h"
#include "load/memory_budget.h"
#include "load/read_control.h"
#include "wpack/buffer_pool.h"
#include "wpack/error.h"

namespace wpack::load {

// MemoryBudget::obtain(), counted as waiting for memory.
[[nodiscard]] Result<std::vector<HostBuffer>> obtain_counted(MemoryBudget& memory,
                                                             std::span<const std::uint64_t> sizes,
                                                             const ReadControl& control,
                                                             MemoryBudget::Reading* reading,
                                                             AccessCounters& counters);

// Tells the tracer, if there is one, how much private memory is held now, kept free included.
void trace_memory_held(const MemoryBudget& memory, const AccessCounters& counters);

}  // namespace wpack::load
