// From a description and options to a plan: which tensors, in what order, in which layers and
// shards. Pure; pack() executes it.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "wpack/pack.h"

namespace wpack::packing {

// Returns the tensors of `layer` that have bytes of their own, in the order in which they are
// written: the small ones together at the front, each group in the order of use.
[[nodiscard]] std::vector<std::uint64_t> write_order(const SourceDescription& source,
                                                     const PackPlan& plan,
                                                     const PlannedLayer& layer);

}  // namespace wpack::packing
