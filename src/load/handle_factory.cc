#include "load/handle_factory.h"

#include <fmt/format.h>

#include <string>
#include <utility>
#include <vector>

#include "load/index_info.h"

namespace wpack {
namespace {

// What handles keep alive besides the container, and what they view.
struct TensorPin {
  std::shared_ptr<ContainerState> state;
  load::BlockRef block;
};
struct SlicePin {
  std::shared_ptr<ContainerState> state;
  load::BlockRef memory;
  std::vector<std::uint64_t> shape;
};
struct LayerPin {
  std::shared_ptr<ContainerState> state;
  load::LayerBlocks blocks;
};

std::string slices_text(const format::Index& index, std::span<const load::PlannedSlice> slices) {
  const std::string first = load::tensor_text(index, slices.front().tensor);
  return slices.size() == 1 ? "slice of " + first
                            : fmt::format("{} slices from {} on", slices.size(), first);
}

load::ReadControl control_of(const AcquireOptions& options, load::ProgressMeter& meter) {
  return {.deadline = options.deadline,
          .cancelled = options.stop,
          .progress = options.progress ? &meter : nullptr};
}

// `what` returns the words for what was asked for.
template <typename What>
Status finish(const ContainerState& state, load::ProgressMeter& meter, const What& what) {
  Status told = meter.finish();
  if (!told) return state.opened_index().named(std::move(told).error(), what());
  return {};
}

}  // namespace

Container HandleFactory::container(std::shared_ptr<ContainerState> state) {
  return Container(std::move(state));
}

Layer HandleFactory::layer(const std::shared_ptr<ContainerState>& state, std::uint32_t id) {
  return {load::layer_info(state->index(), id), state};
}

Result<Tensor> HandleFactory::tensor(const std::shared_ptr<ContainerState>& state, std::uint32_t id,
                                     const AcquireOptions& options) {
  const format::TensorRow row = state->index().tensors()[id];
  load::ProgressMeter meter(options.progress, row.nbytes);
  auto found = state->materialise(row, control_of(options, meter));
  const auto what = [&] { return load::tensor_text(state->index(), id); };
  if (!found) return state->opened_index().named(std::move(found).error(), what());
  WPACK_TRY(finish(*state, meter, what));
  state->first_uses().note(row.layer);
  std::shared_ptr<const void> pin = state;
  if (found->block != nullptr)
    pin = std::make_shared<const TensorPin>(TensorPin{state, std::move(found->block)});
  return Tensor(load::tensor_info(state->index(), id), found->bytes, found->mapped, std::move(pin));
}

Result<std::vector<TensorSlice>> HandleFactory::slices(const std::shared_ptr<ContainerState>& state,
                                                       std::span<const SliceRequest> requests,
                                                       const AcquireOptions& options) {
  WPACK_ASSIGN(std::vector<load::PlannedSlice> planned, state->plan_slices(requests));
  WPACK_ASSIGN(const ContainerState::Loading loading, state->loading());
  std::uint64_t wanted = 0;
  for (const load::PlannedSlice& slice : planned) wanted += slice.layout.nbytes;
  load::ProgressMeter meter(options.progress, wanted);
  auto read = loading.slices.read(planned, control_of(options, meter));
  const auto what = [&] { return slices_text(state->index(), planned); };
  if (!read) return state->opened_index().named(std::move(read).error(), what());
  WPACK_TRY(finish(*state, meter, what));
  std::vector<load::SliceBytes> found = *std::move(read);
  for (const load::PlannedSlice& slice : planned)
    state->first_uses().note(state->index().tensors()[slice.tensor].layer);
  std::vector<TensorSlice> slices;
  slices.reserve(planned.size());
  for (std::size_t i = 0; i < planned.size(); ++i) {
    auto pin = std::make_shared<const SlicePin>(
        SlicePin{state, std::move(found[i].memory), std::move(planned[i].layout.shape)});
    const Shape shape = pin->shape;
    slices.push_back(TensorSlice(load::tensor_info(state->index(), planned[i].tensor), shape,
                                 found[i].bytes, found[i].mapped, std::move(pin)));
  }
  return slices;
}

Result<LayerView> HandleFactory::view(const std::shared_ptr<ContainerState>& state,
                                      const LayerInfo& layer, const AcquireOptions& options) {
  const format::Index& index = state->index();
  WPACK_ASSIGN(const ContainerState::Loading loading, state->loading());
  for (std::uint32_t id = layer.tensor_begin; id < layer.tensor_end; ++id)
    WPACK_TRY(state->check_known(index.tensors()[id]));
  load::ProgressMeter meter(options.progress, layer.nbytes);
  auto blocks = loading.layers.acquire(layer.id, control_of(options, meter));
  const auto what = [&] { return load::layer_text(index, layer.id); };
  if (!blocks) return state->opened_index().named(std::move(blocks).error(), what());
  WPACK_TRY(finish(*state, meter, what));
  state->first_uses().note(layer.id);
  auto tensors = std::make_shared<std::vector<Tensor>>();
  tensors->reserve(layer.tensor_end - layer.tensor_begin);
  const auto pin = std::make_shared<const LayerPin>(LayerPin{state, *std::move(blocks)});
  for (std::uint32_t id = layer.tensor_begin; id < layer.tensor_end; ++id) {
    WPACK_ASSIGN(const auto found, state->find_loaded(index.tensors()[id], pin->blocks));
    tensors->push_back(Tensor(load::tensor_info(index, id), found.bytes, found.mapped, pin));
  }
  return LayerView(std::move(tensors));
}

Status HandleFactory::read_attachment(ContainerState& state,
                                      const format::AttachmentRow& attachment, std::uint64_t offset,
                                      MutableBytes out, const AcquireOptions& options) {
  load::ProgressMeter meter(options.progress, out.size());
  meter.expect(out.size());
  WPACK_TRY(state.read_attachment(attachment, offset, out, control_of(options, meter)));
  return finish(state, meter, [&] { return load::attachment_text(state.index(), attachment); });
}

}  // namespace wpack
