// Which tensors share bytes in their source: tied weights, and views into other tensors. Pure.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "format/overlap.h"
#include "wpack/error.h"
#include "wpack/pack.h"
#include "wpack/tensor_source.h"

namespace wpack::packing {

// Sets alias_of and alias_offset of every planned tensor whose bytes lie inside those of another.
// The owner of equal ranges is the first in the order of use; the owner of a view is the larger
// tensor. Views that only overlap, or would start inside an element, keep bytes of their own.
void find_ties(std::span<const SourceTensor> source, std::span<PlannedTensor> tensors);

// Returns where each tensor that has bytes finds them, in whose.
[[nodiscard]] std::vector<format::TensorPlace> planned_places(
    std::span<const SourceTensor> source, std::span<const PlannedTensor> tensors);

// Checks that the tensors at `places`, in no order, overlap no more than the format allows in a
// container of `payload` bytes. Errors: kLimit.
[[nodiscard]] Status check_overlap(std::vector<format::TensorPlace> places, std::uint64_t payload);

}  // namespace wpack::packing
