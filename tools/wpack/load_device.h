// `wpack load --device host`: layers go through a staging ring to the host as a device.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "wpack/container.h"
#include "wpack/device.h"
#include "wpack/error.h"
#include "wpack/staging_ring.h"
#include "wpack/transfer.h"

namespace wpack::cli {

struct DeviceOptions {
  bool to_host_device = false;
  std::optional<std::uint64_t> pinned_budget;  // bytes; unset: that of StagingOptions
};

// For on_chosen: refuses --pinned-budget without --device, and --device where a rank is `given`.
void check_device_options(const DeviceOptions& options, bool rank_given);

// How a ring of `pinned_budget` bytes is cut: into eight slots, as far as they then have 2 to 8
// MiB.
[[nodiscard]] StagingOptions staging_options(std::optional<std::uint64_t> pinned_budget);

// What a load through a ring did.
struct DeviceReport {
  StagingStats staging;
  DeviceStats device;
};

class DeviceLoader {
 public:
  // Makes the device and its ring. Under the memory budget of `container`, if it has one, the ring
  // takes its slots from it, and the device has what is left. Errors: those of make_staging_ring.
  [[nodiscard]] static Result<DeviceLoader> make(const Container& container,
                                                 const DeviceOptions& options,
                                                 std::optional<std::uint64_t> memory_budget);

  // Errors: those of load_layer.
  [[nodiscard]] Result<DeviceLayer> load(const Container& container, const Layer& layer,
                                         const AcquireOptions& options) const;

  // Bytes on the device, which the process may touch as it is the host.
  [[nodiscard]] static Bytes host_bytes(DeviceRange range) noexcept;

  [[nodiscard]] DeviceReport report() const { return {ring_->stats(), device_->stats()}; }

 private:
  DeviceLoader(std::shared_ptr<Device> device, std::shared_ptr<StagingRing> ring)
      : device_(std::move(device)), ring_(std::move(ring)) {}

  std::shared_ptr<Device> device_;
  std::shared_ptr<StagingRing> ring_;
};

}  // namespace wpack::cli
