#include "staging/staging_ring.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <limits>
#include <utility>

#include "base/align.h"
#include "staging/poison.h"

namespace wpack {
namespace staging {
namespace {

using std::chrono::steady_clock;

// How long one copy is waited for before the others, and the flag to stop, are looked at again.
constexpr auto kWaitSlice = std::chrono::milliseconds(2);

// Errors: kCancelled, kDeadline.
Status check(const SlotWait& wait) {
  if (wait.stop != nullptr && wait.stop->load(std::memory_order_relaxed))
    return Error(ErrorCode::kCancelled, "waiting for a staging slot was cancelled");
  if (wait.deadline && steady_clock::now() >= *wait.deadline)
    return Error(ErrorCode::kDeadline, "the deadline passed before a staging slot was free");
  return {};
}

}  // namespace

SlotRing::SlotRing(std::shared_ptr<Device> device, HostBuffer memory, std::uint32_t slot_count)
    : device_(std::move(device)), memory_(std::move(memory)) {
  const MutableBytes all = memory_.bytes();
  stats_.slot_count = slot_count;
  stats_.slot_size = all.size() / slot_count;
  slots_.reserve(slot_count);
  for (std::uint32_t i = 0; i < slot_count; ++i) {
    const MutableBytes bytes = all.subspan(i * stats_.slot_size, stats_.slot_size);
    auto pin = device_->pin(bytes);
    if (pin) ++stats_.pinned_slots;
    poison(bytes);
    slots_.push_back({bytes, pin ? *std::move(pin) : PinnedMemory()});
  }
}

// There is no handle any more: they keep the ring.
SlotRing::~SlotRing() {
  for (const Copy& copy : copies_) (void)device_->wait(copy.ticket);
  for (const Slot& slot : slots_) unpoison(slot.bytes);
}

StagingStats SlotRing::stats() const {
  const std::lock_guard lock(mutex_);
  return stats_;
}

void SlotRing::change(Slot& slot, SlotEvent event) noexcept {
  const std::optional<SlotState> next = state_after(slot.state, event);
  assert(next);
  if (!next) return;  // refused: the slot rather stays lost than is used twice
  slot.state = *next;
  if (*next == SlotState::kFree) poison(slot.bytes);
}

Result<std::optional<StagingRing::Taken>> SlotRing::take_free() {
  collect_ended();
  if (failure_) return *failure_;
  for (std::uint32_t i = 0; i < stats_.slot_count; ++i) {
    const std::uint32_t number = (next_ + i) % stats_.slot_count;
    Slot& slot = slots_[number];
    if (slot.state != SlotState::kFree) continue;
    change(slot, SlotEvent::kAcquire);
    unpoison(slot.bytes);
    next_ = (number + 1) % stats_.slot_count;
    return std::optional(Taken{number, slot.bytes});
  }
  return std::optional<Taken>();
}

void SlotRing::collect_ended() {
  std::erase_if(copies_, [this](const Copy& copy) {
    const std::optional<Status> end = device_->poll(copy.ticket);
    if (end) note_end(copy, *end);
    return end.has_value();
  });
}

void SlotRing::note_end(const Copy& copy, const Status& end) {
  if (end) {
    stats_.copied_bytes += copy.size;
  } else if (!failure_) {
    failure_ = end.error();
  }
  Slot& slot = slots_[copy.slot];
  if (--slot.copies == 0 && slot.state == SlotState::kDraining) change(slot, SlotEvent::kDrained);
}

void SlotRing::wait_for_change(std::unique_lock<std::mutex>& lock, Device::TimePoint limit) {
  const auto until = std::min(limit, steady_clock::now() + kWaitSlice);
  if (copies_.empty()) {
    dropped_.wait_until(lock, until);
    return;
  }
  const CopyTicket oldest = copies_.front().ticket;
  lock.unlock();
  const std::optional<Status> end = device_->wait_until(oldest, until);
  lock.lock();
  if (!end) return;
  const auto found = std::ranges::find(copies_, oldest, &Copy::ticket);
  note_end(*found, *end);
  copies_.erase(found);
}

Result<std::optional<StagingRing::Taken>> SlotRing::do_try_acquire() {
  const std::lock_guard lock(mutex_);
  return take_free();
}

Result<StagingRing::Taken> SlotRing::do_acquire(const SlotWait& wait) {
  std::unique_lock lock(mutex_);
  for (bool waited = false;; waited = true) {
    WPACK_ASSIGN(const std::optional<Taken> taken, take_free());
    if (taken) return *taken;
    WPACK_TRY(check(wait));
    if (!waited) ++stats_.waits;
    wait_for_change(lock, wait.deadline.value_or(Device::TimePoint::max()));
  }
}

Status SlotRing::drain() {
  std::unique_lock lock(mutex_);
  for (collect_ended(); !copies_.empty(); collect_ended())
    wait_for_change(lock, Device::TimePoint::max());
  if (!failure_) return {};
  Error first = *std::move(failure_);
  failure_.reset();
  return first;
}

void SlotRing::do_seal(std::uint32_t number) noexcept {
  const std::lock_guard lock(mutex_);
  change(slots_[number], SlotEvent::kSeal);
}

// With the lock held throughout, so that no copy runs that the ring does not know of.
Status SlotRing::do_copy(std::uint32_t number, ByteRange part, DeviceRange to) {
  const std::lock_guard lock(mutex_);
  Slot& slot = slots_[number];
  if (copies_.size() == copies_.capacity()) copies_.reserve(2 * copies_.size() + 8);
  WPACK_ASSIGN(const CopyTicket ticket,
               device_->copy(slot.bytes.subspan(part.begin, part.size()), to));
  copies_.push_back({ticket, number, part.size()});
  ++slot.copies;
  change(slot, SlotEvent::kCopy);
  return {};
}

void SlotRing::do_drop(std::uint32_t number) noexcept {
  {
    const std::lock_guard lock(mutex_);
    Slot& slot = slots_[number];
    change(slot, slot.copies == 0 ? SlotEvent::kDrop : SlotEvent::kDropUnderCopy);
  }
  dropped_.notify_all();
}

}  // namespace staging

Result<std::shared_ptr<StagingRing>> make_staging_ring(std::shared_ptr<Device> device,
                                                       const StagingOptions& options) {
  const auto wrong = [&](std::string_view why) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("staging of {} bytes in slots of {} is not possible: {}",
                             options.pinned_budget, options.slot_size, why));
  };
  if (options.slot_size == 0 || !base::is_aligned(options.slot_size, base::kPageSize))
    return wrong("a slot takes a multiple of 4096 bytes");
  const std::uint64_t count = options.pinned_budget / options.slot_size;
  if (count == 0) return wrong("the budget holds none");
  if (count > std::numeric_limits<std::uint16_t>::max()) return wrong("there are more than 65535");
  const std::uint64_t size = count * options.slot_size;
  const auto pool = options.pool != nullptr ? options.pool : make_host_pool(size);
  WPACK_ASSIGN(HostBuffer memory, pool->allocate(size));
  return std::shared_ptr<StagingRing>(std::make_shared<staging::SlotRing>(
      std::move(device), std::move(memory), static_cast<std::uint32_t>(count)));
}

}  // namespace wpack
