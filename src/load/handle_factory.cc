#include "load/handle_factory.h"

#include <utility>
#include <vector>

#include "load/index_info.h"

namespace wpack {
namespace {

// What a handle to bytes in private memory keeps alive.
struct TensorPin {
  std::shared_ptr<ContainerState> state;
  load::BlockRef block;
};
struct LayerPin {
  std::shared_ptr<ContainerState> state;
  load::LayerBlocks blocks;
};

load::ReadControl control_of(const AcquireOptions& options) {
  return {.deadline = options.deadline, .cancelled = options.stop};
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
  WPACK_ASSIGN(auto found, state->materialise(state->index().tensors()[id], control_of(options)));
  std::shared_ptr<const void> pin = state;
  if (found.block != nullptr)
    pin = std::make_shared<const TensorPin>(TensorPin{state, std::move(found.block)});
  return Tensor(load::tensor_info(state->index(), id), found.bytes, found.mapped, std::move(pin));
}

Result<LayerView> HandleFactory::view(const std::shared_ptr<ContainerState>& state,
                                      const LayerInfo& layer, const AcquireOptions& options) {
  const format::Index& index = state->index();
  for (std::uint32_t id = layer.tensor_begin; id < layer.tensor_end; ++id)
    WPACK_TRY(state->check_known(index.tensors()[id]));
  WPACK_ASSIGN(load::LayerBlocks blocks, state->layers().acquire(layer.id, control_of(options)));
  auto tensors = std::make_shared<std::vector<Tensor>>();
  tensors->reserve(layer.tensor_end - layer.tensor_begin);
  const auto pin = std::make_shared<const LayerPin>(LayerPin{state, std::move(blocks)});
  for (std::uint32_t id = layer.tensor_begin; id < layer.tensor_end; ++id) {
    WPACK_ASSIGN(const auto found, state->find_loaded(index.tensors()[id], pin->blocks));
    tensors->push_back(Tensor(load::tensor_info(index, id), found.bytes, found.mapped, pin));
  }
  return LayerView(std::move(tensors));
}

}  // namespace wpack
