#include "wpack/weight_cache.h"

#include <algorithm>
#include <list>
#include <mutex>
#include <optional>
#include <utility>

#include "api/engines.h"
#include "load/budget_pool.h"
#include "load/open_container.h"

namespace wpack {

struct WeightCache::State {
  struct Entry {
    std::string path;
    Container container;
  };
  using Entries = std::list<Entry>;

  explicit State(const WeightCacheOptions& wanted)
      : options(wanted), engines(api::make_engines(wanted.memory_budget)) {
    options.open.memory_budget = wanted.memory_budget;
  }

  // All with `mutex` held.
  std::optional<Container> find(const std::string& path) {
    const auto found = std::ranges::find(entries, path, &Entry::path);
    if (found == entries.end()) return std::nullopt;
    entries.splice(entries.begin(), entries, found);
    return entries.front().container;
  }
  // Moves an entry to `closed`, and counts what it did.
  void close(Entries::iterator entry, Entries& closed) {
    const AccessStats did = entry->container.stats();
    totals.layer_hits += did.layer_hits;
    totals.layer_misses += did.layer_misses;
    closed.splice(closed.end(), entries, entry);
  }

  WeightCacheOptions options;
  const load::Engines engines;
  std::mutex mutex;
  Entries entries;          // asked for last first
  WeightCacheStats totals;  // without what is still open, and without memory
};

Result<WeightCache> WeightCache::make(const WeightCacheOptions& options) {
  if (options.max_open == 0 || options.memory_budget == 0) {
    return Error(ErrorCode::kInvalidArgument,
                 "a cache of weights needs a memory budget and room for one container");
  }
  return WeightCache(std::make_shared<State>(options));
}

Result<Container> WeightCache::open(const std::string& path) const {
  {
    const std::lock_guard lock(state_->mutex);
    if (auto container = state_->find(path)) {
      ++state_->totals.hits;
      return *std::move(container);
    }
  }
  // Without the lock, as this reads files: another thread may have been faster.
  WPACK_ASSIGN(Container opened, load::open_container(path, state_->options.open, state_->engines));
  State::Entries closed;  // goes after the lock
  const std::lock_guard lock(state_->mutex);
  ++state_->totals.misses;
  if (auto container = state_->find(path)) return *std::move(container);
  state_->entries.push_front({path, opened});
  if (state_->entries.size() > state_->options.max_open) {
    ++state_->totals.evicted;
    state_->close(std::prev(state_->entries.end()), closed);
  }
  return opened;
}

bool WeightCache::evict(const std::string& path) const {
  State::Entries closed;  // goes after the lock
  const std::lock_guard lock(state_->mutex);
  const auto found = std::ranges::find(state_->entries, path, &State::Entry::path);
  if (found == state_->entries.end()) return false;
  state_->close(found, closed);
  return true;
}

WeightCacheStats WeightCache::stats() const {
  const load::MemoryUse memory = state_->engines.memory->use();
  const std::lock_guard lock(state_->mutex);
  WeightCacheStats stats = state_->totals;
  for (const State::Entry& entry : state_->entries) {
    const AccessStats did = entry.container.stats();
    stats.layer_hits += did.layer_hits;
    stats.layer_misses += did.layer_misses;
  }
  stats.open_count = static_cast<std::uint32_t>(state_->entries.size());
  stats.layers_given_up = memory.given_up;
  stats.memory_bytes = memory.pool.in_use + memory.pool.free;
  stats.peak_memory_bytes = memory.pool.peak;
  return stats;
}

std::shared_ptr<BufferPool> WeightCache::memory_pool() const {
  return load::make_budget_pool(state_->engines.memory);
}

}  // namespace wpack
