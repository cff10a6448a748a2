#include <fmt/format.h>

#include <utility>

#include "base/checked_math.h"
#include "parallel/rule.h"

namespace wpack::parallel {
namespace {

// Splits `length` elements. `what` is what errors call them.
Result<ElementRange> split(std::uint64_t length, std::uint64_t heads, std::uint64_t rank,
                           std::uint64_t size, const std::string& what) {
  const auto uneven = [](std::string whole, std::uint64_t parts, std::string_view unit) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("{} cannot be divided by {} {}", whole, parts, unit));
  };
  if (heads == 0) {
    if (length % size != 0) return uneven(what, size, "ranks");
    return ElementRange{length / size * rank, length / size * (rank + 1)};
  }
  if (length % heads != 0) return uneven(what, heads, "heads");
  const std::uint64_t head = length / heads;
  if (heads >= size) {
    if (heads % size != 0) return uneven(fmt::format("{} heads in {}", heads, what), size, "ranks");
    return ElementRange{heads / size * rank * head, heads / size * (rank + 1) * head};
  }
  if (size % heads != 0) return uneven(fmt::format("{} ranks for {}", size, what), heads, "heads");
  const std::uint64_t replicated = rank * heads / size;
  return ElementRange{replicated * head, (replicated + 1) * head};
}

}  // namespace

Result<TensorPart> apply_rule(const Rule& rule, Shape shape, std::uint32_t rank,
                              std::uint32_t size) {
  if (rule.dim >= shape.size()) {
    return Error(
        ErrorCode::kInvalidArgument,
        fmt::format("its rule splits dimension {}, and it has {}", rule.dim, shape.size()));
  }
  const std::uint64_t length = shape[rule.dim];
  std::uint64_t shares = 0;
  for (const Segment& segment : rule.segments) shares += segment.share;
  const std::string what = fmt::format("dimension {} of {} elements", rule.dim, length);
  if (length % shares != 0) {
    return Error(
        ErrorCode::kInvalidArgument,
        fmt::format("{} cannot be divided by the {} shares of its segments", what, shares));
  }
  TensorPart part{.dim = rule.dim};
  std::uint64_t begin = 0;
  for (std::size_t i = 0; i < rule.segments.size(); ++i) {
    const Segment& segment = rule.segments[i];
    const std::uint64_t own = length / shares * segment.share;
    const std::string label =
        rule.segments.size() == 1
            ? what
            : fmt::format("segment {} of {} elements of dimension {}", i, own, rule.dim);
    WPACK_ASSIGN(const ElementRange range, split(own, segment.heads, rank, size, label));
    const ElementRange placed{begin + range.begin, begin + range.end};
    if (!part.ranges.empty() && part.ranges.back().end == placed.begin) {
      part.ranges.back().end = placed.end;
    } else {
      part.ranges.push_back(placed);
    }
    begin += own;
  }
  if (part.ranges.size() == 1 && part.ranges.front().size() == length) return TensorPart{};
  return part;
}

}  // namespace wpack::parallel
