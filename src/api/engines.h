// What containers are opened with: the one place that knows engines and pools.
#pragma once

#include <cstdint>

#include "load/engines.h"

namespace wpack::api {

// Engines over memory of `budget` bytes, or MemoryBudget::kUnlimited.
[[nodiscard]] load::Engines make_engines(std::uint64_t budget);

}  // namespace wpack::api
