#include "load/device_sink.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace wpack::load {
namespace {

// How long a slot is waited for before the caller is asked again whether to go on.
constexpr auto kSlotWait = std::chrono::milliseconds(20);

}  // namespace

DeviceSink::DeviceSink(StagingRing& ring, std::span<const TransferPiece> pieces,
                       std::span<const DeviceRange> destinations, AccessCounters& counters,
                       const ReadControl& control)
    : ring_(ring),
      pieces_(pieces),
      destinations_(destinations),
      counters_(counters),
      control_(control),
      slots_(pieces.size()) {}

Result<std::optional<WritableSlot>> DeviceSink::slot(bool may_wait) {
  WPACK_ASSIGN(std::optional<WritableSlot> free, ring_.try_acquire());
  if (free || !may_wait) return free;
  const PhaseTimer timer(counters_, Phase::kConsumer, control_.caller_waits(), "wait for a slot");
  auto limit = std::chrono::steady_clock::now() + kSlotWait;
  if (control_.deadline) limit = std::min(limit, *control_.deadline);
  auto slot = ring_.acquire({.stop = control_.stop, .deadline = limit});
  if (slot) return std::optional<WritableSlot>(*std::move(slot));
  if (slot.error().code() == ErrorCode::kDeadline) return std::optional<WritableSlot>();
  return std::move(slot).error();
}

Result<std::optional<MutableBytes>> DeviceSink::provide(std::size_t piece, bool may_wait) {
  WPACK_ASSIGN(std::optional<WritableSlot> found, slot(may_wait));
  if (!found) return std::optional<MutableBytes>();
  slots_[piece].emplace(*std::move(found));
  const WritableSlot& slot = *slots_[piece];
  return std::optional(slot.bytes().first(pieces_[piece].range.size()));
}

Status DeviceSink::take(std::size_t piece) {
  FilledSlot filled = std::move(*slots_[piece]).seal();
  slots_[piece].reset();
  for (const TransferPart& part : pieces_[piece].parts) {
    const DeviceRange to = destinations_[part.source].sub_range(part.source_offset, part.size);
    WPACK_TRY(filled.copy({part.piece_offset, part.piece_offset + part.size}, to));
  }
  return {};
}

}  // namespace wpack::load
