#include "load/layer_loader.h"

#include <algorithm>
#include <new>
#include <utility>

#include "load/counted_memory.h"
#include "load/scope_exit.h"
#include "os/thread.h"

namespace wpack::load {

LayerLoader::~LayerLoader() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  work_.notify_all();
  memory_.notify();  // the worker may wait for memory
  if (worker_.joinable()) worker_.join();
  memory_.forget(this);
}

Status LayerLoader::prefetch(std::uint32_t layer) {
  WPACK_TRY(reader_.use_shards(layer));
  const std::lock_guard lock(mutex_);
  return enqueue(layer);
}

Result<LayerBlocks> LayerLoader::acquire(std::uint32_t layer, const ReadControl& control) {
  const std::stop_callback wake(control.cancelled, [this] {
    { const std::lock_guard lock(mutex_); }  // who checked before now waits already
    loaded_.notify_all();
  });
  std::unique_lock lock(mutex_);
  Slot& slot = slots_[layer];
  WPACK_TRY(wait_until_loaded(lock, slot, control));
  if (slot.state == State::kKept) {
    slot.blocks = memory_.take(key_of(layer));
    slot.state = slot.blocks.empty() ? State::kIdle : State::kReady;
  }
  if (slot.state == State::kQueued) dequeue(layer);
  LayerBlocks blocks;
  if (slot.state == State::kReady) {
    counters_.layer_hits.fetch_add(1, std::memory_order_relaxed);
    blocks = slot.blocks;
  } else {
    counters_.layer_misses.fetch_add(1, std::memory_order_relaxed);
    std::uint64_t size = 0;
    WPACK_ASSIGN(blocks, load(lock, layer, control, State::kReady, size));
  }
  read_ahead(layer);
  return blocks;
}

// A hint: a thread that does not start, or memory that is not there, is reported by prefetch()
// only.
void LayerLoader::read_ahead(std::uint32_t layer) noexcept {
  try {
    for (std::uint32_t i = 1; i <= readahead_layers_; ++i) {
      const auto next = order_.after(layer, i);
      if (!next) return;
      (void)enqueue(*next);
    }
  } catch (const std::bad_alloc&) {
  }
}

Status LayerLoader::wait_until_loaded(std::unique_lock<std::mutex>& lock, Slot& slot,
                                      const ReadControl& control) {
  if (slot.state != State::kLoading) return {};
  const PhaseTimer timer(counters_, Phase::kReadahead, true, "wait for readahead");
  ++slot.waiting;
  const ScopeExit done([&] { --slot.waiting; });
  while (slot.state == State::kLoading) {
    slot.released.reset();
    if (!slot.wanted.exchange(true)) memory_.notify();  // it may wait for memory as readahead
    WPACK_TRY(control.check());
    if (const Deadline limit = control.sleep_limit()) {
      (void)loaded_.wait_until(lock, *limit);
    } else {
      loaded_.wait(lock);
    }
    if (control.progress == nullptr) continue;
    lock.unlock();
    Status told = control.tell();
    lock.lock();
    WPACK_TRY(std::move(told));
  }
  return {};
}

void LayerLoader::release(std::uint32_t layer, ReleasePages pages) {
  LayerBlocks blocks;  // given back after the lock
  {
    const std::lock_guard lock(mutex_);
    Slot& slot = slots_[layer];
    if (slot.state == State::kLoading) {
      slot.released = pages;
      return;
    }
    if (slot.state == State::kQueued) dequeue(layer);
    blocks = slot.state == State::kKept ? memory_.take(key_of(layer))
                                        : std::exchange(slot.blocks, LayerBlocks());
    slot.state = State::kIdle;
    if (memory_.is_limited() && pages == ReleasePages::kMemory && !blocks.empty()) {
      memory_.keep(key_of(layer), std::move(blocks), KeptAs::kReleased);
      slot.state = State::kKept;
      return;
    }
  }
  blocks.clear();
  trace_memory_held(memory_, counters_);
  reader_.release_pages(layer, pages);
}

Result<LayerBlocks> LayerLoader::load(std::unique_lock<std::mutex>& lock, std::uint32_t layer,
                                      const ReadControl& control, State state_after,
                                      std::uint64_t& size) {
  Slot& slot = slots_[layer];
  slot.state = State::kLoading;
  slot.released.reset();
  slot.wanted = false;
  bool kept = false;
  // Also when memory runs out in the middle, nobody may wait for this layer for ever.
  const ScopeExit done([&] {
    if (!lock.owns_lock()) lock.lock();
    if (!kept) slot.state = State::kIdle;
    loaded_.notify_all();
  });
  MemoryBudget::Reading reading(memory_);
  lock.unlock();
  auto blocks = reader_.read(layer, control, reading, size);
  if (!blocks) return blocks;
  lock.lock();
  if (slot.released) {
    reader_.release_pages(layer, *slot.released);
    return blocks;
  }
  keep(slot, layer, *blocks, state_after);
  kept = true;
  return blocks;
}

// What somebody waits for is not kept: it might be given up before he takes it.
void LayerLoader::keep(Slot& slot, std::uint32_t layer, LayerBlocks blocks, State state) {
  if (state == State::kKept && slot.waiting == 0 && !blocks.empty()) {
    memory_.keep(key_of(layer), std::move(blocks), KeptAs::kReadAhead);
    slot.state = State::kKept;
  } else {
    slot.blocks = std::move(blocks);
    slot.state = State::kReady;
  }
}

Status LayerLoader::enqueue(std::uint32_t layer) {
  Slot& slot = slots_[layer];
  slot.released.reset();
  if (slot.state == State::kKept && !memory_.keeps(key_of(layer))) slot.state = State::kIdle;
  if (slot.state != State::kIdle) return {};
  if (!worker_.joinable()) {
    WPACK_ASSIGN(worker_, os::start_thread([this] { run_worker(); }));
  }
  queue_.push_back(layer);
  slot.state = State::kQueued;
  work_.notify_one();
  return {};
}

void LayerLoader::dequeue(std::uint32_t layer) { std::erase(queue_, layer); }

void LayerLoader::run_worker() {
  std::unique_lock lock(mutex_);
  for (;;) {
    work_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
    if (stopping_) return;
    const std::uint32_t layer = queue_.front();
    queue_.pop_front();
    load_queued(lock, layer);
  }
}

// What goes wrong here is found again, and reported, by the acquire() that needs the layer.
void LayerLoader::load_queued(std::unique_lock<std::mutex>& lock, std::uint32_t layer) {
  try {
    std::uint64_t size = 0;
    const ReadControl control{.stop = &stopping_, .wanted = &slots_[layer].wanted};
    if (load(lock, layer, control, State::kKept, size))
      counters_.prefetched_bytes.fetch_add(size, std::memory_order_relaxed);
  } catch (const std::bad_alloc&) {
  }
}

}  // namespace wpack::load
