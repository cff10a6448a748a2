// The one implementation of wpack/staging_ring.h: slots cut out of one piece of memory.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "staging/slot_state.h"
#include "wpack/buffer_pool.h"
#include "wpack/staging_ring.h"

namespace wpack::staging {

class SlotRing final : public StagingRing {
 public:
  // `memory` is `slot_count` slots. Pins each, as far as the device lets it.
  SlotRing(std::shared_ptr<Device> device, HostBuffer memory, std::uint32_t slot_count);
  SlotRing(const SlotRing&) = delete;
  SlotRing& operator=(const SlotRing&) = delete;
  ~SlotRing() override;

  [[nodiscard]] Device& device() const noexcept override { return *device_; }
  [[nodiscard]] StagingStats stats() const override;
  [[nodiscard]] Status drain() override;

 protected:
  Result<std::optional<Taken>> do_try_acquire() override;
  Result<Taken> do_acquire(const SlotWait& wait) override;
  void do_seal(std::uint32_t number) noexcept override;
  Status do_copy(std::uint32_t number, ByteRange part, DeviceRange to) override;
  void do_drop(std::uint32_t number) noexcept override;

 private:
  struct Slot {
    MutableBytes bytes;
    PinnedMemory pin;
    SlotState state = SlotState::kFree;
    std::uint32_t copies = 0;  // under way
  };
  struct Copy {
    CopyTicket ticket;
    std::uint32_t slot;
    std::uint64_t size;
  };

  // All with mutex_ held.
  void change(Slot& slot, SlotEvent event) noexcept;
  [[nodiscard]] Result<std::optional<Taken>> take_free();
  void collect_ended();
  void note_end(const Copy& copy, const Status& end);
  // Lets go of the lock until a copy ends or a handle is dropped, but not beyond `limit`, nor for
  // longer than the others may wait to be looked at.
  void wait_for_change(std::unique_lock<std::mutex>& lock, Device::TimePoint limit);

  const std::shared_ptr<Device> device_;
  HostBuffer memory_;
  mutable std::mutex mutex_;
  std::condition_variable dropped_;
  std::vector<Slot> slots_;
  std::uint32_t next_ = 0;    // where the search for a free slot begins
  std::vector<Copy> copies_;  // under way, the oldest first
  std::optional<Error> failure_;
  StagingStats stats_;
};

}  // namespace wpack::staging
