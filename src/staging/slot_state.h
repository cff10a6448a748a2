// The states of a staging slot and what may change them: the table of wpack/staging_ring.h.
#pragma once

#include <cstdint>
#include <optional>

namespace wpack::staging {

enum class SlotState : std::uint8_t { kFree, kFilling, kFilled, kDraining };

enum class SlotEvent : std::uint8_t {
  kAcquire,
  kSeal,
  kCopy,           // one was started
  kDrop,           // of the handle, with no copy under way
  kDropUnderCopy,  // of the handle, with copies under way
  kDrained,        // the last copy ended, and there is no handle
};

// Returns the state after `event`, or nullopt if it must not happen in `state`.
[[nodiscard]] constexpr std::optional<SlotState> state_after(SlotState state,
                                                             SlotEvent event) noexcept {
  switch (state) {
    case SlotState::kFree:
      if (event == SlotEvent::kAcquire) return SlotState::kFilling;
      break;
    case SlotState::kFilling:
      if (event == SlotEvent::kSeal) return SlotState::kFilled;
      if (event == SlotEvent::kDrop) return SlotState::kFree;
      break;
    case SlotState::kFilled:
      if (event == SlotEvent::kCopy) return SlotState::kFilled;
      if (event == SlotEvent::kDrop) return SlotState::kFree;
      if (event == SlotEvent::kDropUnderCopy) return SlotState::kDraining;
      break;
    case SlotState::kDraining:
      if (event == SlotEvent::kDrained) return SlotState::kFree;
      break;
  }
  return std::nullopt;
}

}  // namespace wpack::staging
