#include "load/block_cache.h"

#include <utility>

#include "load/scope_exit.h"

namespace wpack::load {

Result<std::vector<BlockRef>> BlockCache::get(std::span<const std::uint32_t> extents,
                                              const ReadControl& control,
                                              MemoryBudget::Reading* reading) {
  std::vector<BlockRef> blocks(extents.size());
  const std::stop_callback wake(control.cancelled, [this] {
    { const std::lock_guard lock(mutex_); }  // who checked before now waits already
    published_.notify_all();
  });
  for (;;) {
    std::unique_lock lock(mutex_);
    const Claim claimed = claim(extents, blocks);
    if (claimed.extents.empty()) {
      if (!claimed.busy) return blocks;
      WPACK_TRY(wait(lock, control));
      continue;
    }
    lock.unlock();
    std::vector<BlockRef> read;
    {
      const ScopeExit done([&] { publish(claimed, read); });
      WPACK_ASSIGN(read, reader_.read(claimed.extents, control, reading));
    }
    for (std::size_t i = 0; i < read.size(); ++i) blocks[claimed.positions[i]] = read[i];
  }
}

Status BlockCache::wait(std::unique_lock<std::mutex>& lock, const ReadControl& control) {
  const PhaseTimer timer(counters_, Phase::kReadahead, control.caller_waits(),
                         "wait for another reader");
  WPACK_TRY(control.check());
  if (const Deadline limit = control.sleep_limit()) {
    (void)published_.wait_until(lock, *limit);
  } else {
    published_.wait(lock);
  }
  lock.unlock();
  return control.tell();
}

BlockCache::Claim BlockCache::claim(std::span<const std::uint32_t> extents,
                                    std::vector<BlockRef>& blocks) {
  Claim claim;
  claim.extents.reserve(extents.size());
  claim.positions.reserve(extents.size());
  // All entries first: a claim that was made before memory ran out would be waited for for ever.
  for (const std::uint32_t extent : extents) entries_.try_emplace(extent);
  for (std::size_t i = 0; i < extents.size(); ++i) {
    if (blocks[i] != nullptr) continue;
    Entry& entry = entries_[extents[i]];
    blocks[i] = entry.block.lock();
    if (blocks[i] != nullptr) continue;
    if (entry.claimed) {
      claim.busy = true;
    } else {
      entry.claimed = true;
      claim.extents.push_back(extents[i]);
      claim.positions.push_back(i);
    }
  }
  return claim;
}

void BlockCache::publish(const Claim& claim, std::span<const BlockRef> read) {
  const std::lock_guard lock(mutex_);
  for (std::size_t i = 0; i < claim.extents.size(); ++i) {
    Entry& entry = entries_[claim.extents[i]];
    entry.claimed = false;
    if (i < read.size()) entry.block = read[i];
  }
  published_.notify_all();
}

}  // namespace wpack::load
