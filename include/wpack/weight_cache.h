// Several containers under one memory budget: for a host that serves many models and holds the
// layers in memory that it used last.
//
//   auto cache = wpack::WeightCache::make({.memory_budget = std::uint64_t{8} << 30});
//   auto container = cache->open("a.wpack");      // the second time, the one that is open
//   auto view = container->layer(0).acquire();    // from memory, if it was not given up meanwhile
//
// All containers share the budget as OpenOptions::memory_budget describes it: the layer that was
// released longest ago goes first, whichever container it belongs to.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "wpack/container.h"
#include "wpack/error.h"
#include "wpack/export.h"

namespace wpack {

struct WeightCacheOptions {
  // As OpenOptions::memory_budget, for all containers together, in bytes.
  std::uint64_t memory_budget = 0;
  // Containers that are kept open; beyond it, the one that was asked for longest ago is closed (its
  // handles stay valid). At least 1.
  std::uint32_t max_open = 64;
  // How each is opened; its memory_budget is not looked at.
  OpenOptions open = {};
};

// What a cache has done since it was made. wpack/metrics.h writes it as JSON and for Prometheus.
struct WeightCacheStats {
  std::uint32_t open_count = 0;         // containers that are open now
  std::uint64_t hits = 0;               // open() calls that found theirs open
  std::uint64_t misses = 0;             // open() calls that opened it
  std::uint64_t evicted = 0;            // containers that were closed to keep to max_open
  std::uint64_t layer_hits = 0;         // of all containers, those closed included
  std::uint64_t layer_misses = 0;       // likewise
  std::uint64_t layers_given_up = 0;    // to make room
  std::uint64_t memory_bytes = 0;       // held now
  std::uint64_t peak_memory_bytes = 0;  // the most that was held
};

// Copies are handles to one cache. Handles to its containers keep working without it.
//
// Thread safety: every member function may be called from several threads at once.
class WPACK_EXPORT WeightCache {
 public:
  // Errors: kInvalidArgument (max_open is 0, or there is no budget).
  [[nodiscard]] static Result<WeightCache> make(const WeightCacheOptions& options);

  // Returns the container at `path`, opened once: a container that replaces it on the disk is seen
  // after evict(). Paths that differ as text are different containers. Errors: those of
  // Container::open.
  [[nodiscard]] Result<Container> open(const std::string& path) const;

  // Closes the container at `path`, if it is open; what it kept in memory goes with the last of its
  // handles. Returns whether it was.
  [[nodiscard]] bool evict(const std::string& path) const;

  [[nodiscard]] WeightCacheStats stats() const;

  // As Container::memory_pool(), of the budget that all containers share. Outlives the cache.
  [[nodiscard]] std::shared_ptr<BufferPool> memory_pool() const;

 private:
  struct State;
  explicit WeightCache(std::shared_ptr<State> state) : state_(std::move(state)) {}
  std::shared_ptr<State> state_;
};

}  // namespace wpack
