#include "pack/ties.h"

#include <algorithm>
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

}  // namespace

void find_ties(std::span<const SourceTensor> source, std::span<PlannedTensor> tensors) {
  const View* owner = nullptr;
  const std::vector<View> views = sorted_views(source, tensors);
  for (const View& view : views) {
    const bool inside =
        owner != nullptr && owner->storage == view.storage && view.end <= owner->end &&
        (view.begin - owner->begin) % element_size(source[tensors[view.tensor].source_index]) == 0;
    if (!inside) {
      owner = &view;
      continue;
    }
    tensors[view.tensor].alias_of = owner->tensor;
    tensors[view.tensor].alias_offset = view.begin - owner->begin;
  }
}

}  // namespace wpack::packing
