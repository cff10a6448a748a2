#include "wpack/transfer.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "base/align.h"
#include "base/checked_math.h"
#include "load/handle_factory.h"
#include "load/index_info.h"
#include "load/tensor_transfer.h"
#include "wpack/text.h"

namespace wpack {
namespace {

constexpr std::uint64_t kDeviceAlignment = 256;  // of extents, as in files

load::ReadControl transfer_control_of(const TransferOptions& options) {
  return {.stop = options.stop, .deadline = options.deadline};
}

Status named(const ContainerState& state, Status status, std::string_view what) {
  if (!status) status = state.opened_index().named(std::move(status).error(), what);
  return status;
}

// Returns where the bytes of tensor `id` are stored; it is to fill `size` bytes.
Result<load::TransferSource> find_source(const ContainerState& state, std::uint32_t id,
                                         std::uint64_t size) {
  const format::Index& index = state.index();
  const std::string& label = state.opened_index().label;
  if (id >= index.tensors().size())
    return Error(ErrorCode::kNotFound, fmt::format("{}: has no tensor '{}'", label, id));
  const format::TensorRow tensor = index.tensors()[id];
  if (size != tensor.nbytes) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("{}: tensor '{}' has {} bytes, its destination {}", label,
                             escape_name(index.name_of(tensor)), tensor.nbytes, size));
  }
  WPACK_TRY(state.check_known(tensor));
  if (tensor.nbytes == 0) return load::TransferSource{};
  if (!base::range_within(tensor.byte_offset, tensor.nbytes,
                          index.extents()[tensor.extent].raw_size))
    return state.index_changed();
  return load::TransferSource{tensor.extent,
                              {tensor.byte_offset, tensor.byte_offset + tensor.nbytes}};
}

// Where the extents of a layer go in one piece of device memory.
struct LayerPlaces {
  std::vector<load::TransferSource> sources;  // whole extents, ascending
  std::vector<std::uint64_t> offsets;
  std::uint64_t size = 0;
};

// Errors: those of a tensor of the layer.
Result<LayerPlaces> place_layer(const ContainerState& state, const format::LayerRow& layer) {
  const format::Index& index = state.index();
  std::vector<std::uint32_t> extents;
  for (std::uint32_t i = 0; i < layer.tensor_count; ++i) {
    const format::TensorRow tensor = index.tensors()[layer.tensor_first + i];
    WPACK_TRY(find_source(state, layer.tensor_first + i, tensor.nbytes));
    if (tensor.nbytes > 0) extents.push_back(tensor.extent);
  }
  std::ranges::sort(extents);
  extents.erase(std::unique(extents.begin(), extents.end()), extents.end());
  LayerPlaces places;
  for (const std::uint32_t extent : extents) {
    const std::uint64_t size = index.extents()[extent].raw_size;
    places.sources.push_back({extent, {0, size}});
    places.offsets.push_back(places.size);
    const auto end = base::checked_add(places.size, size);
    const auto padded = end ? base::checked_align_up(*end, kDeviceAlignment) : std::nullopt;
    if (!padded) return state.index_changed();
    places.size = *padded;
  }
  return places;
}

DeviceRange device_place_of(const LayerPlaces& places, const format::TensorRow& tensor,
                            DeviceRange memory) {
  if (tensor.nbytes == 0) return {};
  const auto found =
      std::ranges::lower_bound(places.sources, tensor.extent, {}, &load::TransferSource::extent);
  const auto number = static_cast<std::size_t>(found - places.sources.begin());
  const std::uint64_t offset = places.offsets[number];
  return memory.sub_range(offset + tensor.byte_offset, tensor.nbytes);
}

}  // namespace

Status read_tensor(const Container& container, std::uint32_t id, MutableBytes out,
                   const TransferOptions& options) {
  ContainerState& state = HandleFactory::state(container);
  WPACK_ASSIGN(const ContainerState::Loading loading, state.loading());
  WPACK_ASSIGN(const load::TransferSource source, find_source(state, id, out.size()));
  state.first_uses().note(state.index().tensors()[id].layer);
  if (out.empty()) return {};
  return named(
      state, loading.transfer.to_host(source, out, transfer_control_of(options), options.progress),
      load::tensor_text(state.index(), id));
}

Status copy_to_device(const Container& container, std::span<const TensorDestination> tensors,
                      StagingRing& ring, const TransferOptions& options) {
  ContainerState& state = HandleFactory::state(container);
  WPACK_ASSIGN(const ContainerState::Loading loading, state.loading());
  std::vector<load::TransferSource> sources;
  std::vector<DeviceRange> destinations;
  for (const auto& [tensor, to] : tensors) {
    WPACK_ASSIGN(const load::TransferSource source, find_source(state, tensor, to.size));
    state.first_uses().note(state.index().tensors()[tensor].layer);
    sources.push_back(source);
    destinations.push_back(to);
  }
  return named(state,
               loading.transfer.to_device(sources, destinations, ring, transfer_control_of(options),
                                          options.progress),
               fmt::format("copy of {} tensors to a device", tensors.size()));
}

Result<DeviceLayer> load_layer(const Container& container, std::uint32_t id, StagingRing& ring,
                               const TransferOptions& options) {
  ContainerState& state = HandleFactory::state(container);
  WPACK_ASSIGN(const ContainerState::Loading loading, state.loading());
  const format::Index& index = state.index();
  if (id >= index.layers().size()) {
    return Error(ErrorCode::kNotFound,
                 fmt::format("{}: has no layer '{}'", state.opened_index().label, id));
  }
  const format::LayerRow layer = index.layers()[id];
  state.first_uses().note(id);
  WPACK_ASSIGN(const LayerPlaces places, place_layer(state, layer));
  auto memory = ring.device().allocate(places.size);
  if (!memory) return std::move(memory).error().in(state.opened_index().label);
  std::vector<DeviceRange> destinations;
  for (std::size_t i = 0; i < places.sources.size(); ++i) {
    destinations.push_back(
        memory->range().sub_range(places.offsets[i], places.sources[i].raw.size()));
  }
  WPACK_TRY(named(state,
                  loading.transfer.to_device(places.sources, destinations, ring,
                                             transfer_control_of(options), options.progress),
                  load::layer_text(index, id)));
  std::vector<DeviceTensor> tensors;
  tensors.reserve(layer.tensor_count);
  for (std::uint32_t i = 0; i < layer.tensor_count; ++i) {
    const std::uint32_t tensor = layer.tensor_first + i;
    tensors.push_back({load::tensor_info(index, tensor),
                       device_place_of(places, index.tensors()[tensor], memory->range())});
  }
  return HandleFactory::device_layer(container, *std::move(memory), std::move(tensors));
}

}  // namespace wpack
