#include "import/torch/strided_gather.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <limits>

#include "base/checked_math.h"

namespace wpack::import {
namespace {

constexpr std::uint64_t kWindowSize = std::uint64_t{1} << 20;
// Reading this many bytes that nobody wants takes as long as another system call.
constexpr std::uint64_t kCallCost = 4096;

struct Axis {
  std::uint64_t count = 1;
  std::uint64_t source = 0;  // stride in the storage, bytes
  std::uint64_t target = 0;  // stride in the output, bytes
};
using Axes = std::vector<Axis>;

// Elements of a view that are a grid in the storage and in the output.
struct Box {
  Axes axes;
  std::uint64_t offset = 0;  // of the first one in the storage, bytes
  std::uint64_t count = 1;   // elements
};

// How a box is read: for each position along the outer axes a window, in which the inner ones lie.
// The last of the outer ones is walked in blocks; the steps of a block are one of the inner ones.
struct BoxPlan {
  Axes outer;
  Axes inner;
  std::uint64_t last_count = 1;  // steps along the last of the outer axes
  std::uint64_t block = 1;       // of them, how many at a time
  std::uint64_t span = 0;        // bytes of one step
  std::size_t steps = 0;         // which of the inner axes is that of a block
};

// Elements in one step along `axis`: the product of all later dimensions.
std::uint64_t inner_count(Shape shape, std::size_t axis) {
  std::uint64_t count = 1;
  for (std::size_t i = axis + 1; i < shape.size(); ++i) count *= shape[i];
  return count;
}

// Walks all positions along `axes` in row-major order, and keeps count of where they lie.
class Odometer {
 public:
  explicit Odometer(std::span<const Axis> axes) : axes_(axes), index_(axes.size()) {}

  [[nodiscard]] std::uint64_t index(std::size_t axis) const { return index_[axis]; }
  [[nodiscard]] std::uint64_t source() const { return source_; }
  [[nodiscard]] std::uint64_t target() const { return target_; }

  // Returns false when it is back at the start.
  bool advance() {
    for (std::size_t i = axes_.size(); i-- > 0;) {
      const Axis& axis = axes_[i];
      if (++index_[i] < axis.count) {
        source_ += axis.source;
        target_ += axis.target;
        return true;
      }
      index_[i] = 0;
      source_ -= (axis.count - 1) * axis.source;
      target_ -= (axis.count - 1) * axis.target;
    }
    return false;
  }

 private:
  std::span<const Axis> axes_;
  std::vector<std::uint64_t> index_;
  std::uint64_t source_ = 0;
  std::uint64_t target_ = 0;
};

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
void scatter(std::span<const Axis> axes, const std::byte* from, std::byte* to,
             std::uint64_t element_size) {
  const Axis& row = axes.back();
  Odometer rows(axes.first(axes.size() - 1));
  do {
    copy_row(to + rows.target(), row.target, from + rows.source(), row.source, row.count,
             element_size);
  } while (rows.advance());
}

// Returns the first of the few boxes that `count` elements from `first` on, in row-major order,
// are: the end of a row, whole rows, whole planes, ..., whole rows, the start of a row.
Box first_box(const StridedView& view, std::uint64_t first, std::uint64_t count) {
  const std::uint64_t size = view.element_size;
  Box box{.axes = {}, .offset = view.byte_offset, .count = 1};
  std::size_t axis = view.shape.size();  // the outermost along which whole steps are wanted
  std::uint64_t steps = count;
  bool aligned = true;  // all positions further inside are 0
  for (std::size_t i = view.shape.size(); i-- > 0;) {
    const std::uint64_t position = first % view.shape[i];
    first /= view.shape[i];
    box.offset += position * view.strides[i] * size;
    const std::uint64_t inner = inner_count(view.shape, i);
    if (aligned && count >= inner) {
      axis = i;
      steps = std::min(view.shape[i] - position, count / inner);
    }
    aligned = aligned && position == 0;
  }
  box.count = steps * inner_count(view.shape, axis);
  for (std::size_t i = axis; i < view.shape.size(); ++i) {
    box.axes.push_back({i == axis ? steps : view.shape[i], view.strides[i] * size,
                        inner_count(view.shape, i) * size});
  }
  return box;
}

std::uint64_t saturated_mul(std::uint64_t a, std::uint64_t b) {
  return base::checked_mul(a, b).value_or(base::kUnlimited);
}

// Drops axes of one step and puts those with the longest strides first.
Axes sorted(Axes axes) {
  std::erase_if(axes, [](const Axis& axis) { return axis.count == 1; });
  std::ranges::stable_sort(axes, std::greater{}, &Axis::source);
  return axes;
}

struct Split {
  std::size_t outer = 0;    // axes
  std::uint64_t block = 1;  // steps along the last of them
  std::uint64_t span = 0;   // bytes of one step
  std::uint64_t cost = base::kUnlimited;
};

// Returns the cheapest way to part sorted axes into outer and inner ones.
Split cheapest_split(std::span<const Axis> axes, std::uint64_t element_size) {
  std::vector<std::uint64_t> calls(axes.size() + 1, 1);  // for single steps along so many axes
  for (std::size_t i = 0; i < axes.size(); ++i)
    calls[i + 1] = saturated_mul(calls[i], axes[i].count);
  Split best;
  std::uint64_t span = element_size;
  const auto consider = [&](std::size_t outer, std::uint64_t block, std::uint64_t times,
                            std::uint64_t cost_each) {
    const std::uint64_t cost = saturated_mul(times, cost_each);
    if (best.span == 0 || cost <= best.cost)
      best = {.outer = outer, .block = block, .span = span, .cost = cost};
  };
  for (std::size_t outer = axes.size();; --outer) {
    consider(outer, 1, calls[outer], kCallCost + span);
    if (outer == 0) return best;
    const Axis& axis = axes[outer - 1];
    const std::uint64_t block =
        axis.source == 0 ? 1 : std::min(axis.count, (kWindowSize - span) / axis.source + 1);
    if (block > 1) {
      const std::uint64_t blocks = (axis.count - 1) / block + 1;
      consider(outer, block, calls[outer - 1],
               blocks * (kCallCost + span) + (axis.count - blocks) * axis.source);
    }
    if ((axis.count - 1) * axis.source > kWindowSize - span) return best;
    span += (axis.count - 1) * axis.source;
  }
}

BoxPlan plan_box(Axes axes, const Split& split) {
  BoxPlan plan;
  plan.block = split.block;
  plan.span = split.span;
  plan.inner.assign(axes.begin() + static_cast<std::ptrdiff_t>(split.outer), axes.end());
  axes.resize(split.outer);
  plan.outer = std::move(axes);
  Axis steps;
  if (!plan.outer.empty()) {
    Axis& last = plan.outer.back();
    steps = {1, last.source, last.target};
    plan.last_count = last.count;
    last = {(last.count - 1) / split.block + 1, last.source * split.block,
            last.target * split.block};
  }
  // The window fits a cache, what is written does not: it is written from front to back.
  std::ranges::stable_sort(plan.inner, std::greater{}, &Axis::target);
  auto at = plan.inner.begin();
  if (split.block > 1)
    at = std::ranges::lower_bound(plan.inner, steps.target, std::greater{}, &Axis::target);
  plan.steps = static_cast<std::size_t>(at - plan.inner.begin());
  plan.inner.insert(at, steps);
  return plan;
}

Status read_box(BoxPlan plan, std::uint64_t offset, std::uint64_t element_size, MutableBytes out,
                std::vector<std::byte>& window, const ReadStorage& read) {
  Odometer windows(plan.outer);
  do {
    Axis& steps = plan.inner[plan.steps];
    if (!plan.outer.empty()) {
      const std::uint64_t done = windows.index(plan.outer.size() - 1) * plan.block;
      steps.count = std::min(plan.block, plan.last_count - done);
    }
    window.resize(static_cast<std::size_t>(plan.span + (steps.count - 1) * steps.source));
    WPACK_TRY(read(offset + windows.source(), window));
    scatter(plan.inner, window.data(), out.data() + windows.target(), element_size);
  } while (windows.advance());
  return {};
}

}  // namespace

Status StridedGather::read(const StridedView& view, std::uint64_t first, MutableBytes out,
                           const ReadStorage& read) {
  const std::uint64_t size = view.element_size;
  while (!out.empty()) {
    Box box = first_box(view, first, out.size() / size);
    Axes axes = sorted(std::move(box.axes));
    const Split split = cheapest_split(axes, size);
    const auto taken = static_cast<std::size_t>(box.count * size);
    WPACK_TRY(read_box(plan_box(std::move(axes), split), box.offset, size, out.first(taken),
                       window_, read));
    out = out.subspan(taken);
    first += box.count;
  }
  return {};
}

std::uint64_t StridedGather::cost(const StridedView& view, std::uint64_t first,
                                  std::uint64_t count) {
  std::uint64_t sum = 0;
  while (count > 0) {
    Box box = first_box(view, first, count);
    const Split split = cheapest_split(sorted(std::move(box.axes)), view.element_size);
    sum = base::checked_add(sum, split.cost).value_or(base::kUnlimited);
    first += box.count;
    count -= box.count;
  }
  return sum;
}

}  // namespace wpack::import
