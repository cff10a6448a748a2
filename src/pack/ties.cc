#include "pack/ties.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <tuple>

namespace wpack::packing {
namespace {

struct View {
  std::uint32_t storage;
  std::uint64_t begin;
  std::uint64_t end;
  std::uint64_t tensor;  // in the order of use
};

std::vector<View> sorted_views(std::span<const SourceTensor> source,
                               std::span<const PlannedTensor> tensors) {
  std::vector<View> views;
  for (std::uint64_t i = 0; i < tensors.size(); ++i) {
    const SourceTensor& tensor = source[tensors[i].source_index];
    if (!tensor.storage || tensor.nbytes == 0) continue;
    const std::uint64_t begin = tensor.storage->byte_offset;
    views.push_back({tensor.storage->id, begin, begin + tensor.nbytes, i});
  }
  // An owner comes before everything that it contains.
  std::ranges::sort(views, {}, [](const View& view) {
    return std::tuple(view.storage, view.begin, ~view.end, view.tensor);
  });
  return views;
}

std::uint64_t element_size(const SourceTensor& tensor) {
  const DTypeInfo* dtype = find_dtype(tensor.dtype);
  return dtype != nullptr && dtype->bits >= 8 ? dtype->bits / 8 : 1;
}

// Tensors that own their bytes, one for each place that a view can have between elements: of those
// that begin alike, modulo the largest element, a later one reaches further.
class Owners {
 public:
  // Returns the first owner that holds `view` at a multiple of `element` bytes, or nullptr.
  [[nodiscard]] const View* find(const View& view, std::uint64_t element) const {
    const View* found = nullptr;
    for (const View* owner : owners_) {
      const bool holds = owner != nullptr && owner->storage == view.storage &&
                         view.end <= owner->end && (view.begin - owner->begin) % element == 0;
      if (holds && (found == nullptr || owner < found)) found = owner;
    }
    return found;
  }
  void add(const View& view) { owners_[view.begin % owners_.size()] = &view; }

 private:
  static constexpr std::size_t kLargestElement = 16;
  std::array<const View*, kLargestElement> owners_{};
};

}  // namespace

void find_ties(std::span<const SourceTensor> source, std::span<PlannedTensor> tensors) {
  Owners owners;
  const std::vector<View> views = sorted_views(source, tensors);
  for (const View& view : views) {
    PlannedTensor& tensor = tensors[view.tensor];
    const View* owner = owners.find(view, element_size(source[tensor.source_index]));
    if (owner == nullptr) {
      owners.add(view);
      continue;
    }
    tensor.alias_of = owner->tensor;
    tensor.alias_offset = view.begin - owner->begin;
  }
}

std::vector<format::TensorPlace> planned_places(std::span<const SourceTensor> source,
                                                std::span<const PlannedTensor> tensors) {
  std::vector<format::TensorPlace> places;
  places.reserve(tensors.size());
  for (std::uint64_t i = 0; i < tensors.size(); ++i) {
    const PlannedTensor& tensor = tensors[i];
    const std::uint64_t size = source[tensor.source_index].nbytes;
    const bool is_alias = tensor.alias_of != PlannedTensor::kNotAlias;
    if (size > 0) places.emplace_back(is_alias ? tensor.alias_of : i, tensor.alias_offset, size);
  }
  return places;
}

Status check_overlap(std::vector<format::TensorPlace> places, std::uint64_t payload) {
  std::ranges::sort(places);
  format::OverlapCount overlap;
  overlap.add_payload(payload);
  for (const format::TensorPlace& place : places) overlap.add(place);
  if (!overlap.exceeded()) return {};
  return Error(ErrorCode::kLimit,
               fmt::format("its tensors overlap so much that their checksums cover {} bytes, more "
                           "than the {} that the format allows",
                           overlap.hashed(), overlap.limit()));
}

}  // namespace wpack::packing
