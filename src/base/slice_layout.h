// Where the bytes of a slice lie in its row-major tensor, and copying them out of it. Pure.
#pragma once

#include <cstdint>
#include <vector>

#include "wpack/error.h"
#include "wpack/tensor_slice.h"
#include "wpack/types.h"

namespace wpack::base {

// Bytes of every row of a slice.
struct RowRun {
  std::uint64_t begin = 0;  // from the begin of the tensor's row
  std::uint64_t size = 0;   // > 0
  std::uint64_t out = 0;    // from the begin of the slice's row
  friend bool operator==(const RowRun&, const RowRun&) = default;
};

// A slice as strided runs: the tensor is `row_count` rows of `row_size` bytes, and the slice takes
// the same runs of each. Runs ascend, lie inside the row and do not touch; where the slice is one
// unbroken run of the tensor, there is one row with one run.
struct SliceLayout {
  std::vector<std::uint64_t> shape = {};  // of the slice
  std::uint64_t nbytes = 0;               // of the slice
  std::uint64_t row_count = 0;            // 0: the slice has no bytes
  std::uint64_t row_size = 0;             // of the tensor
  std::uint64_t out_row_size = 0;         // of the slice
  std::vector<RowRun> runs = {};

  [[nodiscard]] bool contiguous() const noexcept { return row_count == 1 && runs.size() == 1; }
  // The bytes of the tensor from the slice's first to its last; empty where it has none.
  [[nodiscard]] ByteRange span() const noexcept;
  friend bool operator==(const SliceLayout&, const SliceLayout&) = default;
};

// Returns the layout of `part` of a tensor of `dtype` and `shape`, whose size fits into 64 bits.
// Errors: kInvalidArgument with the dimension and the range: the part does not exist, its ranges do
// not ascend, or it does not begin and end at a byte (elements of less than 8 bits). The caller
// adds the tensor's name.
[[nodiscard]] Result<SliceLayout> layout_of_slice(const DTypeInfo& dtype, Shape shape,
                                                  const TensorPart& part);

// Copies what the bytes [window.begin, window.end) of the tensor, which are `source`, hold of the
// slice to its place in `out`, which has layout.nbytes bytes.
void copy_slice(const SliceLayout& layout, ByteRange window, Bytes source, MutableBytes out);

}  // namespace wpack::base
