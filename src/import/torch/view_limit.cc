#include "import/torch/view_limit.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <tuple>
#include <vector>

#include "base/checked_math.h"
#include "wpack/text.h"

namespace wpack::import {
namespace {

constexpr std::uint64_t kMinLimit = std::uint64_t{1} << 30;

struct View {
  std::uint32_t storage = 0;
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  std::size_t tensor = 0;
};

// A view comes before everything that it contains.
std::vector<View> sorted_views(std::span<const SourceTensor> tensors) {
  std::vector<View> views;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const auto& storage = tensors[i].storage;
    if (!storage) continue;
    views.push_back(
        {storage->id, storage->byte_offset, storage->byte_offset + tensors[i].nbytes, i});
  }
  std::ranges::sort(views, {}, [](const View& view) {
    return std::tuple(view.storage, view.begin, ~view.end, view.tensor);
  });
  return views;
}

// Tells which views lie in an earlier one. Those that begin at another place between the largest
// elements do not count as inside: a packer might store them apart.
class Covered {
 public:
  bool holds(const View& view) {
    if (view.storage != storage_) ends_ = {};
    storage_ = view.storage;
    std::uint64_t& end = ends_[view.begin % ends_.size()];
    if (view.end <= end) return true;
    end = view.end;
    return false;
  }

 private:
  static constexpr std::size_t kLargestElement = 16;
  std::uint32_t storage_ = 0;
  std::array<std::uint64_t, kLargestElement> ends_{};
};

}  // namespace

std::uint64_t unfolded_limit(const ZipArchive& archive, std::uint64_t max_expansion) {
  return std::max(
      kMinLimit,
      base::checked_mul(archive.stored_size(), max_expansion).value_or(base::kUnlimited));
}

Status check_views(std::span<const SourceTensor> tensors, const ZipArchive& archive,
                   std::uint64_t max_expansion) {
  std::uint64_t limit = 0;
  for (const ZipMember& member : archive.members())
    limit = base::checked_add(limit, member.size).value_or(base::kUnlimited);
  limit = std::max(limit, unfolded_limit(archive, max_expansion));
  Covered covered;
  std::uint64_t sum = 0;
  for (const View& view : sorted_views(tensors)) {
    if (covered.holds(view)) continue;
    sum = base::checked_add(sum, view.end - view.begin).value_or(base::kUnlimited);
    if (sum <= limit) continue;
    return Error(
        ErrorCode::kLimit,
        fmt::format("tensor '{}': it and other views that overlap take more than {} bytes, "
                    "far more than the archive",
                    escape_name(tensors[view.tensor].name), limit));
  }
  return {};
}

}  // namespace wpack::import
