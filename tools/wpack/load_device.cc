#include "load_device.h"

#include <algorithm>
#include <string>
#include <utility>

#include "command.h"
#include "wpack/text.h"

namespace wpack::cli {
namespace {

constexpr std::uint64_t kSlotUnit = 4096;                     // slots have a multiple of it
constexpr std::uint64_t kSmallSlot = std::uint64_t{2} << 20;  // holds any chunk of usual size
constexpr std::uint64_t kSlotCount = 8;

}  // namespace

void check_device_options(const DeviceOptions& options, bool rank_given) {
  if (options.pinned_budget && !options.to_host_device)
    refuse_value("--pinned-budget", "it goes with --device");
  if (options.to_host_device && rank_given)
    refuse_value("--device", "slices of a rank are not copied to devices");
}

StagingOptions staging_options(std::optional<std::uint64_t> pinned_budget) {
  StagingOptions options;
  if (!pinned_budget) return options;
  options.pinned_budget = *pinned_budget;
  const std::uint64_t share =
      std::clamp(*pinned_budget / kSlotCount, kSmallSlot, options.slot_size);
  options.slot_size = std::min(share, *pinned_budget) / kSlotUnit * kSlotUnit;
  return options;
}

Result<DeviceLoader> DeviceLoader::make(const Container& container, const DeviceOptions& options,
                                        std::optional<std::uint64_t> memory_budget) {
  StagingOptions staging = staging_options(options.pinned_budget);
  HostDeviceOptions host;
  if (memory_budget) {
    staging.pool = container.memory_pool();
    host.budget = *memory_budget - std::min(*memory_budget, staging.pinned_budget);
  }
  std::shared_ptr<Device> device = make_host_device(host);
  auto ring = make_staging_ring(device, staging);
  if (!ring) return std::move(ring).error().in(escape_name(container.info().path));
  return DeviceLoader(std::move(device), *std::move(ring));
}

Result<DeviceLayer> DeviceLoader::load(const Container& container, const Layer& layer,
                                       const AcquireOptions& options) const {
  return load_layer(container, layer.info().id, *ring_, {.deadline = options.deadline});
}

Bytes DeviceLoader::host_bytes(DeviceRange range) noexcept {
  // NOLINTNEXTLINE(performance-no-int-to-ptr)
  return {reinterpret_cast<const std::byte*>(range.address), range.size};
}

}  // namespace wpack::cli
