#include "io/read_limits.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/align.h"

namespace wpack::io {
namespace {

constexpr std::uint64_t kMaxAlignment = std::uint64_t{1} << 20;
constexpr std::uint32_t kMaxDepth = 4096;

Status check_alignment(std::uint64_t alignment) {
  if (base::is_power_of_two(alignment) && alignment <= kMaxAlignment) return {};
  return Error(ErrorCode::kInvalidArgument,
               fmt::format("an alignment of {} bytes: powers of two up to {} are possible",
                           alignment, kMaxAlignment));
}

Error misaligned(std::string_view what, std::uint64_t value, std::uint64_t alignment) {
  return {ErrorCode::kInvalidArgument,
          fmt::format("{} {:#x} of a read is not aligned to {} bytes", what, value, alignment)};
}

}  // namespace

Result<ReadLimits> make_limits(std::uint32_t max_in_flight,
                               const std::optional<DirectAlignment>& direct) {
  ReadLimits limits{.max_in_flight = max_in_flight};
  if (!direct) return limits;
  WPACK_TRY(check_alignment(direct->offset));
  WPACK_TRY(check_alignment(direct->memory));
  limits.offset_alignment = direct->offset;
  limits.size_alignment = direct->offset;
  limits.memory_alignment = direct->memory;
  return limits;
}

Result<ReadLimits> make_queue_limits(std::uint32_t depth,
                                     const std::optional<DirectAlignment>& direct) {
  if (depth == 0 || depth > kMaxDepth) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("{} reads in flight: 1 to {} are possible", depth, kMaxDepth));
  }
  return make_limits(depth, direct);
}

Status check_request(const ReadRequest& request, const ReadLimits& limits) {
  if (!base::is_aligned(request.offset, limits.offset_alignment))
    return misaligned("offset", request.offset, limits.offset_alignment);
  if (!base::is_aligned(request.out.size(), limits.size_alignment))
    return misaligned("size", request.out.size(), limits.size_alignment);
  const auto address = reinterpret_cast<std::uintptr_t>(request.out.data());
  if (!base::is_aligned(address, limits.memory_alignment))
    return misaligned("memory", address, limits.memory_alignment);
  return {};
}

std::uint64_t granule(const ReadLimits& limits) noexcept {
  return std::max({limits.offset_alignment, limits.size_alignment, limits.memory_alignment});
}

}  // namespace wpack::io
