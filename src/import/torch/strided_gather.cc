#include "import/torch/strided_gather.h"

#include <algorithm>
#include <cstring>

namespace wpack::import {
namespace {

constexpr std::uint64_t kWindowSize = std::uint64_t{1} << 20;
// Reading this many bytes that nobody wants is cheaper than another system call.
constexpr std::uint64_t kMaxGap = 4096;

// Elements in one step along `axis`: the product of all later dimensions.
std::uint64_t inner_count(Shape shape, std::size_t axis) {
  std::uint64_t count = 1;
  for (std::size_t i = axis + 1; i < shape.size(); ++i) count *= shape[i];
  return count;
}

// Advances `index` like an odometer over the first `axes` counts; false when it wraps around.
template <typename Axes>
bool advance(std::vector<std::uint64_t>& index, const Axes& axes, std::size_t count) {
  for (std::size_t i = count; i-- > 0;) {
    if (++index[i] < axes[i].count) return true;
    index[i] = 0;
  }
  return false;
}

template <std::size_t kSize>
void copy_elements(std::byte* to, std::uint64_t to_stride, const std::byte* from,
                   std::uint64_t from_stride, std::uint64_t count) {
  for (std::uint64_t i = 0; i < count; ++i)
    std::memcpy(to + i * to_stride, from + i * from_stride, kSize);
}

void copy_row(std::byte* to, std::uint64_t to_stride, const std::byte* from,
              std::uint64_t from_stride, std::uint64_t count, std::uint64_t element_size) {
  if (to_stride == element_size && from_stride == element_size) {
    std::memcpy(to, from, static_cast<std::size_t>(count * element_size));
    return;
  }
  switch (element_size) {
    case 1:
      return copy_elements<1>(to, to_stride, from, from_stride, count);
    case 2:
      return copy_elements<2>(to, to_stride, from, from_stride, count);
    case 4:
      return copy_elements<4>(to, to_stride, from, from_stride, count);
    case 8:
      return copy_elements<8>(to, to_stride, from, from_stride, count);
    default:
      return copy_elements<16>(to, to_stride, from, from_stride, count);
  }
}

// Copies all elements of `axes` from `from` to `to`; the last axis is the innermost loop.
template <typename Axes>
void scatter(const Axes& axes, const std::byte* from, std::byte* to, std::uint64_t element_size) {
  if (axes.empty()) {
    std::memcpy(to, from, static_cast<std::size_t>(element_size));
    return;
  }
  const std::size_t outer = axes.size() - 1;
  const auto& row = axes.back();
  std::vector<std::uint64_t> index(outer);
  do {
    std::uint64_t source = 0;
    std::uint64_t target = 0;
    for (std::size_t i = 0; i < outer; ++i) {
      source += index[i] * axes[i].source;
      target += index[i] * axes[i].target;
    }
    copy_row(to + target, row.target, from + source, row.source, row.count, element_size);
  } while (advance(index, axes, outer));
}

}  // namespace

// A run of elements in row-major order is a few boxes: the end of a row, whole rows, whole planes,
// ..., whole rows, the start of a row.
Status StridedGather::read(const StridedView& view, std::uint64_t first, MutableBytes out,
                           const ReadStorage& read) {
  const std::uint64_t size = view.element_size;
  std::uint64_t left = out.size() / size;
  while (left > 0) {
    std::uint64_t offset = view.byte_offset;
    std::size_t axis = view.shape.size();  // the outermost along which whole steps are wanted
    std::uint64_t steps = left;
    std::uint64_t rest = first;
    bool aligned = true;  // all positions further inside are 0
    for (std::size_t i = view.shape.size(); i-- > 0;) {
      const std::uint64_t position = rest % view.shape[i];
      rest /= view.shape[i];
      offset += position * view.strides[i] * size;
      const std::uint64_t inner = inner_count(view.shape, i);
      if (aligned && left >= inner) {
        axis = i;
        steps = std::min(view.shape[i] - position, left / inner);
      }
      aligned = aligned && position == 0;
    }
    const std::uint64_t taken = steps * inner_count(view.shape, axis);
    Axes axes;
    for (std::size_t i = axis; i < view.shape.size(); ++i) {
      axes.push_back({i == axis ? steps : view.shape[i], view.strides[i] * size,
                      inner_count(view.shape, i) * size});
    }
    WPACK_TRY(read_box(std::move(axes), offset, size,
                       out.first(static_cast<std::size_t>(taken * size)), read));
    out = out.subspan(static_cast<std::size_t>(taken * size));
    first += taken;
    left -= taken;
  }
  return {};
}

// Splits the axes into outer ones, for each of whose positions a window is read, and inner ones,
// which lie in the window.
Status StridedGather::read_box(Axes axes, std::uint64_t offset, std::uint64_t element_size,
                               MutableBytes out, const ReadStorage& read) {
  std::erase_if(axes, [](const Axis& axis) { return axis.count == 1; });
  std::ranges::stable_sort(axes, std::greater{}, &Axis::source);
  std::size_t outer = axes.size();
  std::uint64_t span = element_size;  // of the inner axes
  while (outer > 0) {
    const Axis& axis = axes[outer - 1];
    const bool near = axis.source <= span + kMaxGap;
    if (!near || span + (axis.count - 1) * axis.source > kWindowSize) break;
    span += (axis.count - 1) * axis.source;
    --outer;
  }
  // The axis that is too long for one window is walked in blocks, if its steps lie close together.
  std::uint64_t block = 1;
  if (outer > 0 && axes[outer - 1].source <= span + kMaxGap && span < kWindowSize)
    block = (kWindowSize - span) / axes[outer - 1].source + 1;

  Axes inner(axes.begin() + static_cast<std::ptrdiff_t>(outer), axes.end());
  axes.resize(outer);
  const Axis blocked = outer > 0 ? axes.back() : Axis{};
  if (outer > 0) axes.back().count = (blocked.count + block - 1) / block;
  inner.insert(inner.begin(), {1, blocked.source, blocked.target});
  std::vector<std::uint64_t> index(outer);
  do {
    std::uint64_t source = offset;
    std::uint64_t target = 0;
    for (std::size_t i = 0; i < outer; ++i) {
      const std::uint64_t position = i + 1 == outer ? index[i] * block : index[i];
      source += position * axes[i].source;
      target += position * axes[i].target;
    }
    if (outer > 0) inner.front().count = std::min(block, blocked.count - index[outer - 1] * block);
    const std::uint64_t size = span + (inner.front().count - 1) * blocked.source;
    window_.resize(static_cast<std::size_t>(size));
    WPACK_TRY(read(source, window_));
    scatter(inner, window_.data(), out.data() + target, element_size);
  } while (advance(index, axes, outer));
  return {};
}

}  // namespace wpack::import
