#include "pack/ties.h"

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

}  // namespace wpack::packing
