// Pieces that go through the slots of a staging ring to a device.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "load/access_counters.h"
#include "load/piece_reader.h"
#include "load/read_control.h"
#include "load/transfer_plan.h"
#include "wpack/device.h"
#include "wpack/error.h"
#include "wpack/staging_ring.h"

namespace wpack::load {

class DeviceSink final : public PieceSink {
 public:
  // All outlive the sink, but the control. The destinations are those of the plan's sources.
  DeviceSink(StagingRing& ring, std::span<const TransferPiece> pieces,
             std::span<const DeviceRange> destinations, AccessCounters& counters,
             const ReadControl& control);

  Result<std::optional<MutableBytes>> provide(std::size_t piece, bool may_wait) override;
  Status take(std::size_t piece) override;

 private:
  [[nodiscard]] Result<std::optional<WritableSlot>> slot(bool may_wait);

  StagingRing& ring_;
  const std::span<const TransferPiece> pieces_;
  const std::span<const DeviceRange> destinations_;
  AccessCounters& counters_;
  const ReadControl control_;
  std::vector<std::optional<WritableSlot>> slots_;  // of pieces that are being read
};

}  // namespace wpack::load
