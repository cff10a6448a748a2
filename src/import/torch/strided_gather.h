// Reading a strided view of a storage (transposed, expanded, sliced) as contiguous bytes.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "wpack/error.h"
#include "wpack/types.h"

namespace wpack::import {

// Fills `out` from `offset` (bytes) of a storage.
using ReadStorage = std::function<Status(std::uint64_t offset, MutableBytes out)>;

// A view: element (i, j, ...) lies at byte_offset + (i*strides[0] + j*strides[1] + ...) *
// element_size of the storage. The caller has checked that all of it lies inside.
struct StridedView {
  Shape shape;
  std::span<const std::uint64_t> strides;  // elements
  std::uint64_t byte_offset = 0;
  std::uint64_t element_size = 1;  // bytes; 1, 2, 4, 8 or 16
};

// Reads what a piece needs of the storage through a window of at most 1 MiB, and scatters it. What
// lies between is read too where that is cheaper than another call. Thread safety: one thread at a
// time.
class StridedGather {
 public:
  // Fills `out` with the elements from `first` on, in row-major order; `out` is a whole number of
  // elements that lie inside the view. Errors: those of `read`.
  [[nodiscard]] Status read(const StridedView& view, std::uint64_t first, MutableBytes out,
                            const ReadStorage& read);

  // Returns what read() takes for `count` elements from `first` on, as a number of bytes that are
  // read one behind the other in the same time, about; at most 2^64 - 1.
  [[nodiscard]] static std::uint64_t cost(const StridedView& view, std::uint64_t first,
                                          std::uint64_t count);

 private:
  std::vector<std::byte> window_;
};

}  // namespace wpack::import
