// Layers as they are prefetched, acquired and released: who brings which layer in, and when.
//
// Protocol: a layer is idle, queued, loading, kept or ready. prefetch() and the readahead of
// acquire() queue it; one worker thread takes queued layers in order and loads them. acquire()
// never waits behind the queue: it takes an idle or queued layer over and loads it on its own
// thread, and waits only where the layer is being loaded already, which then counts as a demand. A
// failed load leaves the layer idle; an acquire() that waited for it tries for itself, so that
// every caller gets its own error.
//
// A demand goes before readahead: while acquire(), or anybody else who waits for bytes of this
// container, reads into private memory, the worker has a single read under way, until somebody
// waits for its layer too. Its reads that are under way already are left to end.
//
// A ready layer was acquired, and stays until it is released. A kept one was read ahead, or was
// released under a memory budget: its blocks lie in MemoryBudget, which may have given them up.
// Mapped layers have no blocks and are ready once their pages were brought in.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>
#include <unordered_map>
#include <utility>

#include "load/access_counters.h"
#include "load/layer_reader.h"
#include "load/memory_budget.h"
#include "load/readahead_order.h"
#include "wpack/container.h"
#include "wpack/error.h"

namespace wpack::load {

// Thread safety: all functions, from several threads at once.
class LayerLoader {
 public:
  // `reader`, `memory` and `counters` outlive the loader.
  LayerLoader(const LayerReader& reader, MemoryBudget& memory, AccessCounters& counters,
              ReadaheadOrder order, std::uint32_t readahead_layers)
      : reader_(reader),
        memory_(memory),
        counters_(counters),
        order_(std::move(order)),
        readahead_layers_(readahead_layers) {}
  LayerLoader(const LayerLoader&) = delete;
  LayerLoader& operator=(const LayerLoader&) = delete;
  // Stops and joins the worker, and lets go what is kept.
  ~LayerLoader();

  // Queues the layer. Errors: those of LayerReader::use_shards, kLimit (no thread).
  [[nodiscard]] Status prefetch(std::uint32_t layer);
  // Waits until the layer is in memory, keeps it there, and queues the layers after it. Errors:
  // those of LayerReader::read.
  [[nodiscard]] Result<LayerBlocks> acquire(std::uint32_t layer, const ReadControl& control);
  // Takes the layer off the queue and lets its memory go; under a budget, keeps it while there is
  // room.
  void release(std::uint32_t layer, ReleasePages pages);

 private:
  enum class State : std::uint8_t { kIdle, kQueued, kLoading, kKept, kReady };
  struct Slot {
    State state = State::kIdle;
    std::uint32_t waiting = 0;        // acquire() calls that wait for what is loading
    std::atomic<bool> wanted{false};  // there was one
    // Set when it was released while it was loading, and nobody has wanted it since.
    std::optional<ReleasePages> released;
    LayerBlocks blocks;  // of a ready layer
  };

  [[nodiscard]] MemoryBudget::Key key_of(std::uint32_t layer) const noexcept {
    return {this, layer};
  }

  // With mutex_ held; load() lets it go meanwhile. `state_after` is kReady, or kKept for a layer
  // that nobody has asked for.
  [[nodiscard]] Result<LayerBlocks> load(std::unique_lock<std::mutex>& lock, std::uint32_t layer,
                                         const ReadControl& control, State state_after,
                                         std::uint64_t& size);
  [[nodiscard]] Status wait_until_loaded(std::unique_lock<std::mutex>& lock, Slot& slot,
                                         const ReadControl& control);
  void keep(Slot& slot, std::uint32_t layer, LayerBlocks blocks, State state);
  // Queues the layers that follow.
  void read_ahead(std::uint32_t layer) noexcept;
  [[nodiscard]] Status enqueue(std::uint32_t layer);
  void dequeue(std::uint32_t layer);

  void run_worker();
  void load_queued(std::unique_lock<std::mutex>& lock, std::uint32_t layer);

  const LayerReader& reader_;
  MemoryBudget& memory_;
  AccessCounters& counters_;
  const ReadaheadOrder order_;
  const std::uint32_t readahead_layers_;

  std::mutex mutex_;
  std::condition_variable work_;    // something is queued, or the worker should stop
  std::condition_variable loaded_;  // a load has ended
  std::unordered_map<std::uint32_t, Slot> slots_;
  std::deque<std::uint32_t> queue_;
  std::atomic<bool> stopping_{false};
  std::thread worker_;  // started with the first queued layer
};

}  // namespace wpack::load
