#include "load/memory_budget.h"

#include <fmt/format.h>

#include <limits>
#include <optional>
#include <utility>

#include "base/align.h"
#include "base/checked_math.h"

namespace wpack::load {
namespace {

// What a pool takes for buffers of these sizes.
std::uint64_t sum_of_pages(std::span<const std::uint64_t> sizes) noexcept {
  std::optional<std::uint64_t> sum = 0;
  for (const std::uint64_t size : sizes) {
    const auto pages = base::checked_align_up(size, base::kPageSize);
    sum = sum && pages ? base::checked_add(*sum, *pages) : std::nullopt;
  }
  return sum.value_or(MemoryBudget::kUnlimited);
}

}  // namespace

std::uint64_t MemoryBudget::needed_for_layer(std::uint64_t size) noexcept {
  constexpr std::uint64_t kMost = std::numeric_limits<std::uint64_t>::max();
  const std::uint64_t fifths = size / 2 + size % 2;
  return fifths > kMost / 5 ? kMost : fifths * 5;
}

MemoryBudget::Reading::~Reading() {
  if (!granted_) return;
  {
    const std::lock_guard lock(budget_.mutex_);
    --budget_.granted_;
  }
  budget_.notify();
}

Result<std::vector<HostBuffer>> MemoryBudget::obtain(std::span<const std::uint64_t> sizes,
                                                     const ReadControl& control, Reading* reading) {
  const std::stop_callback wake(control.cancelled, [this] { notify(); });
  const std::uint64_t needed = sum_of_pages(sizes);
  for (;;) {
    WPACK_TRY(control.tell());
    const bool demand = control.is_demand();
    const std::uint64_t seen = changes();
    auto buffers = allocate(sizes, reading);
    if (buffers) return buffers;
    if (give_up_one(demand)) continue;
    if (!is_limited()) return buffers;  // it is the system that refuses: nobody would wake us
    Error refused = refusal(needed, std::move(buffers).error());
    if (needed > size_) return refused;  // whatever the others give back
    std::unique_lock lock(mutex_);
    const auto changed = [&] { return changes_ != seen; };
    if (changed()) continue;
    if (!control.deadline && demand && granted_ == 0) return refused;
    const Deadline limit = control.sleep_limit();
    if (!limit) {
      changed_.wait(lock, changed);
    } else if (!changed_.wait_until(lock, *limit, changed) && control.is_late()) {
      return ReadControl::late().in(refused.message());
    }
  }
}

Result<std::vector<HostBuffer>> MemoryBudget::obtain_now(std::span<const std::uint64_t> sizes,
                                                         Reading* reading) {
  const std::uint64_t needed = sum_of_pages(sizes);
  for (;;) {
    auto buffers = allocate(sizes, reading);
    if (buffers) return buffers;
    if (needed > size_ || !give_up_one(true)) return refusal(needed, std::move(buffers).error());
  }
}

Result<HostBuffer> MemoryBudget::obtain_now(std::uint64_t size) {
  auto buffers = obtain_now({&size, 1}, nullptr);
  if (!buffers) return std::move(buffers).error().in(fmt::format("allocation of {} bytes", size));
  return std::move(buffers->front());
}

Error MemoryBudget::refusal(std::uint64_t needed, Error refused) const {
  const std::uint64_t in_use = pool_->stats().in_use;
  const auto enough = base::checked_add(in_use, needed);
  if (enough && *enough <= size_) return refused;  // the system refuses, or somebody gave back
  return {ErrorCode::kLimit,
          fmt::format("{} bytes are over the memory budget: {} of {} bytes are in use, a budget of "
                      "{} bytes would do",
                      needed, in_use, size_, enough.value_or(kUnlimited))};
}

std::uint64_t MemoryBudget::changes() const {
  const std::lock_guard lock(mutex_);
  return changes_;
}

Result<std::vector<HostBuffer>> MemoryBudget::allocate(std::span<const std::uint64_t> sizes,
                                                       Reading* reading) {
  const std::lock_guard allocating(allocating_);
  std::vector<HostBuffer> buffers;
  buffers.reserve(sizes.size());
  for (const std::uint64_t size : sizes) {
    WPACK_ASSIGN(HostBuffer buffer, pool_->allocate(size));
    buffers.push_back(std::move(buffer));
  }
  if (reading != nullptr && !reading->granted_) {
    const std::lock_guard lock(mutex_);
    ++granted_;
    reading->granted_ = true;
  }
  return buffers;
}

bool MemoryBudget::give_up_one(bool also_read_ahead) {
  LayerBlocks blocks;  // goes after the lock: its end takes the lock again
  const std::lock_guard lock(mutex_);
  blocks = kept_.give_up(also_read_ahead);
  if (!blocks.empty()) ++given_up_;
  return !blocks.empty();
}

void MemoryBudget::keep(Key key, LayerBlocks blocks, KeptAs kept_as) {
  if (blocks.empty()) return;
  {
    const std::lock_guard lock(mutex_);
    kept_.keep(key, blocks, kept_as);
  }
  notify();
}

LayerBlocks MemoryBudget::take(Key key) {
  const std::lock_guard lock(mutex_);
  return kept_.take(key);
}

bool MemoryBudget::keeps(Key key) const {
  const std::lock_guard lock(mutex_);
  return kept_.contains(key);
}

// One at a time, as the end of a container can allocate nothing.
void MemoryBudget::forget(const void* container) noexcept {
  LayerBlocks gone;
  do {
    gone.clear();  // without the lock, which their end takes
    const std::lock_guard lock(mutex_);
    gone = kept_.take_any(container);
  } while (!gone.empty());
}

void MemoryBudget::notify() noexcept {
  if (mark_.is_other_process()) return;  // a handle goes in a child: nobody waits there
  {
    const std::lock_guard lock(mutex_);
    ++changes_;
  }
  changed_.notify_all();
}

MemoryUse MemoryBudget::use() const {
  const BufferPoolStats pool = pool_->stats();
  const std::lock_guard lock(mutex_);
  return {pool, given_up_};
}

}  // namespace wpack::load
