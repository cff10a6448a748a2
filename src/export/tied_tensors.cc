#include "export/tied_tensors.h"

#include <optional>

#include "base/checked_math.h"

namespace wpack::exporting {
namespace {

// The tensor at the end of the chain of ties that begins at `tensor`, if it ends.
std::optional<std::size_t> find_owner(std::span<const TensorInfo> tensors,
                                      const TensorInfo& tensor) {
  std::uint32_t owner = tensor.alias_of;
  for (std::size_t steps = 0; steps < tensors.size(); ++steps) {
    if (owner >= tensors.size()) return std::nullopt;
    if (tensors[owner].alias_of == TensorInfo::kNone) return owner;
    owner = tensors[owner].alias_of;
  }
  return std::nullopt;
}

// Where the bytes of `view` begin in those of `owner`, if they lie inside.
std::optional<std::uint64_t> offset_inside(const TensorInfo& owner, const TensorInfo& view) {
  if (view.nbytes == 0 || view.shard != owner.shard || view.codec != owner.codec)
    return std::nullopt;
  // Offsets of coded tensors are those of their extent, so only the whole is known to be shared.
  if (view.codec != Codec::kRaw) {
    const bool whole = view.offset == owner.offset && view.nbytes == owner.nbytes;
    return whole ? std::optional<std::uint64_t>(0) : std::nullopt;
  }
  if (view.offset < owner.offset) return std::nullopt;
  const std::uint64_t offset = view.offset - owner.offset;
  if (!base::range_within(offset, view.nbytes, owner.nbytes)) return std::nullopt;
  return offset;
}

}  // namespace

std::vector<ExportTensor> find_tied_tensors(std::span<const TensorInfo> tensors) {
  std::vector<ExportTensor> result;
  result.reserve(tensors.size());
  for (const TensorInfo& tensor : tensors) {
    ExportTensor& row = result.emplace_back(ExportTensor{.name = tensor.name,
                                                         .dtype = tensor.dtype,
                                                         .shape = tensor.shape,
                                                         .nbytes = tensor.nbytes});
    if (tensor.alias_of == TensorInfo::kNone) continue;
    const auto owner = find_owner(tensors, tensor);
    if (!owner) continue;
    if (const auto offset = offset_inside(tensors[*owner], tensor)) {
      row.tied_to = *owner;
      row.tied_offset = *offset;
    }
  }
  return result;
}

}  // namespace wpack::exporting
