// Makes the handles of wpack/container.h, whose constructors are private.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "load/container_state.h"
#include "wpack/container.h"
#include "wpack/error.h"

namespace wpack {

struct HandleFactory {
  [[nodiscard]] static ContainerState& state(const Container& container) noexcept {
    return *container.state_;
  }
  [[nodiscard]] static Container container(std::shared_ptr<ContainerState> state);
  [[nodiscard]] static Layer layer(const std::shared_ptr<ContainerState>& state, std::uint32_t id);
  [[nodiscard]] static Result<Tensor> tensor(const std::shared_ptr<ContainerState>& state,
                                             std::uint32_t id, const AcquireOptions& options);
  [[nodiscard]] static Result<std::vector<TensorSlice>> slices(
      const std::shared_ptr<ContainerState>& state, std::span<const SliceRequest> requests);
  [[nodiscard]] static Result<LayerView> view(const std::shared_ptr<ContainerState>& state,
                                              const LayerInfo& layer,
                                              const AcquireOptions& options);
};

}  // namespace wpack
