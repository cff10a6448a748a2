// Makes the handles of wpack/container.h, whose constructors are private.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "load/container_state.h"
#include "wpack/container.h"
#include "wpack/error.h"
#include "wpack/transfer.h"

namespace wpack {

struct HandleFactory {
  // Valid while a handle to the container lives.
  [[nodiscard]] static ContainerState& state(const Container& container) noexcept {
    return *container.state_;
  }
  [[nodiscard]] static Container container(std::shared_ptr<ContainerState> state);
  [[nodiscard]] static Layer layer(const std::shared_ptr<ContainerState>& state, std::uint32_t id);
  [[nodiscard]] static Result<Tensor> tensor(const std::shared_ptr<ContainerState>& state,
                                             std::uint32_t id, const AcquireOptions& options);
  [[nodiscard]] static Result<std::vector<TensorSlice>> slices(
      const std::shared_ptr<ContainerState>& state, std::span<const SliceRequest> requests,
      const AcquireOptions& options);
  [[nodiscard]] static Result<LayerView> view(const std::shared_ptr<ContainerState>& state,
                                              const LayerInfo& layer,
                                              const AcquireOptions& options);
  [[nodiscard]] static Status read_attachment(ContainerState& state,
                                              const format::AttachmentRow& attachment,
                                              std::uint64_t offset, MutableBytes out,
                                              const AcquireOptions& options);
  [[nodiscard]] static DeviceLayer device_layer(const Container& container, DeviceBuffer memory,
                                                std::vector<DeviceTensor> tensors) {
    return {std::move(memory), std::move(tensors), container.state_};
  }
};

}  // namespace wpack
