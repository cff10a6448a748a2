#include "base/slice_layout.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include "base/checked_math.h"

namespace wpack::base {
namespace {

Status check_ranges(Shape shape, const TensorPart& part) {
  if (part.dim >= shape.size()) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("dimension {} does not exist: there are {}", part.dim, shape.size()));
  }
  std::uint64_t end = 0;
  for (const ElementRange& range : part.ranges) {
    if (range.begin > range.end || range.end > shape[part.dim]) {
      return Error(ErrorCode::kInvalidArgument,
                   fmt::format("range [{}, {}) does not lie in the {} elements of dimension {}",
                               range.begin, range.end, shape[part.dim], part.dim));
    }
    if (range.begin < end) {
      return Error(
          ErrorCode::kInvalidArgument,
          fmt::format("range [{}, {}) of dimension {} begins before the one before it ends",
                      range.begin, range.end, part.dim));
    }
    end = range.end;
  }
  return {};
}

// The ranges without empty ones, those that touch as one.
std::vector<ElementRange> joined(const std::vector<ElementRange>& ranges) {
  std::vector<ElementRange> result;
  for (const ElementRange& range : ranges) {
    if (range.size() == 0) continue;
    if (!result.empty() && result.back().end == range.begin) {
      result.back().end = range.end;
    } else {
      result.push_back(range);
    }
  }
  return result;
}

SliceLayout whole_tensor(Shape shape, std::uint64_t nbytes) {
  SliceLayout layout{.shape = {shape.begin(), shape.end()}, .nbytes = nbytes};
  if (nbytes == 0) return layout;
  layout.row_count = 1;
  layout.row_size = layout.out_row_size = nbytes;
  layout.runs = {{.begin = 0, .size = nbytes, .out = 0}};
  return layout;
}

// Bits as bytes; the last byte of the tensor may be used in part.
std::optional<std::uint64_t> to_bytes(std::uint64_t bits, std::uint64_t tensor_bits) {
  if (bits % 8 == 0) return bits / 8;
  if (bits == tensor_bits) return bits / 8 + 1;
  return std::nullopt;
}

std::uint64_t product(Shape shape) { return element_count(shape).value_or(0); }

}  // namespace

ByteRange SliceLayout::span() const noexcept {
  if (row_count == 0) return {};
  return {runs.front().begin, (row_count - 1) * row_size + runs.back().begin + runs.back().size};
}

Result<SliceLayout> layout_of_slice(const DTypeInfo& dtype, Shape shape, const TensorPart& part) {
  const auto nbytes = tensor_nbytes(dtype.dtype, shape);
  if (!nbytes) return Error(ErrorCode::kInvalidArgument, "its size does not fit into 64 bits");
  if (part.whole()) return whole_tensor(shape, *nbytes);
  WPACK_TRY(check_ranges(shape, part));
  const std::vector<ElementRange> ranges = joined(part.ranges);
  if (ranges.size() == 1 && ranges.front().size() == shape[part.dim])
    return whole_tensor(shape, *nbytes);
  SliceLayout layout{.shape = {shape.begin(), shape.end()}};
  layout.shape[part.dim] = 0;
  for (const ElementRange& range : ranges) layout.shape[part.dim] += range.size();
  if (product(layout.shape) == 0) return layout;

  // No dimension is 0 from here on, so that no product of some is larger than that of all, which
  // fits.
  const std::uint64_t inner_bits = product(shape.subspan(part.dim + 1)) * dtype.bits;
  const std::uint64_t row_bits = shape[part.dim] * inner_bits;
  layout.row_count = product(shape.first(part.dim));
  const std::uint64_t tensor_bits = layout.row_count * row_bits;
  const auto not_at_a_byte = [&](ElementRange range) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("range [{}, {}) of dimension {} does not begin and end at a byte: "
                             "elements have {} bits",
                             range.begin, range.end, part.dim, dtype.bits));
  };
  const auto row_size = to_bytes(row_bits, tensor_bits);
  if (!row_size) return not_at_a_byte(ranges.front());
  for (const ElementRange& range : ranges) {
    const auto begin = to_bytes(range.begin * inner_bits, tensor_bits);
    const auto end = to_bytes(range.end * inner_bits, tensor_bits);
    if (!begin || !end) return not_at_a_byte(range);
    layout.runs.push_back({*begin, *end - *begin, layout.out_row_size});
    layout.out_row_size += *end - *begin;
  }
  layout.row_size = *row_size;
  layout.nbytes = layout.row_count * layout.out_row_size;
  return layout;
}

void copy_slice(const SliceLayout& layout, ByteRange window, Bytes source, MutableBytes out) {
  const std::uint64_t stride = layout.row_size;
  for (const RowRun& run : layout.runs) {
    const std::uint64_t run_end = run.begin + run.size;
    // The rows whose run ends behind the window's begin and begins before its end.
    const std::uint64_t first = window.begin < run_end ? 0 : (window.begin - run_end) / stride + 1;
    const std::uint64_t last =
        window.end <= run.begin
            ? 0
            : std::min(layout.row_count, (window.end - run.begin - 1) / stride + 1);
    for (std::uint64_t row = first; row < last; ++row) {
      const std::uint64_t begin = std::max(window.begin, row * stride + run.begin);
      const std::uint64_t end = std::min(window.end, row * stride + run_end);
      const std::uint64_t to =
          row * layout.out_row_size + run.out + (begin - (row * stride + run.begin));
      std::memcpy(out.data() + to, source.data() + (begin - window.begin), end - begin);
    }
  }
}

}  // namespace wpack::base
