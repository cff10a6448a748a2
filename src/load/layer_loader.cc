#include "load/layer_loader.h"

#include <algorithm>
#include <new>
#include <utility>

#include "load/scope_exit.h"
#include "os/thread.h"

namespace wpack::load {

LayerLoader::~LayerLoader() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  work_.notify_all();
  if (worker_.joinable()) worker_.join();
}

Status LayerLoader::prefetch(std::uint32_t layer) {
  WPACK_TRY(reader_.use_shards(layer));
  const std::lock_guard lock(mutex_);
  return enqueue(layer);
}

Result<LayerBlocks> LayerLoader::acquire(std::uint32_t layer) {
  std::unique_lock lock(mutex_);
  Slot& slot = slots_[layer];
  while (slot.state == State::kLoading) {
    slot.released.reset();
    loaded_.wait(lock);
  }
  LayerBlocks blocks;
  if (slot.state == State::kReady) {
    blocks = slot.blocks;
  } else {
    if (slot.state == State::kQueued) dequeue(layer);
    std::uint64_t size = 0;
    WPACK_ASSIGN(blocks, load(lock, layer, nullptr, size));
  }
  // Readahead is a hint: a thread that does not start is reported by prefetch() only.
  for (std::uint32_t i = 1; i <= readahead_layers_ && i < layer_count_ - layer; ++i)
    (void)enqueue(layer + i);
  return blocks;
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
    slot.state = State::kIdle;
    std::swap(blocks, slot.blocks);
  }
  reader_.release_pages(layer, pages);
}

Result<LayerBlocks> LayerLoader::load(std::unique_lock<std::mutex>& lock, std::uint32_t layer,
                                      StopFlag stop, std::uint64_t& size) {
  Slot& slot = slots_[layer];
  slot.state = State::kLoading;
  slot.released.reset();
  bool kept = false;
  // Also when memory runs out in the middle, nobody may wait for this layer for ever.
  const ScopeExit done([&] {
    if (!lock.owns_lock()) lock.lock();
    if (!kept) slot.state = State::kIdle;
    loaded_.notify_all();
  });
  lock.unlock();
  auto blocks = reader_.read(layer, stop, size);
  if (!blocks) return blocks;
  lock.lock();
  if (slot.released) {
    reader_.release_pages(layer, *slot.released);
    return blocks;
  }
  slot.blocks = *blocks;
  slot.state = State::kReady;
  kept = true;
  return blocks;
}

Status LayerLoader::enqueue(std::uint32_t layer) {
  Slot& slot = slots_[layer];
  slot.released.reset();
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
    if (load(lock, layer, &stopping_, size))
      counters_.prefetched_bytes.fetch_add(size, std::memory_order_relaxed);
  } catch (const std::bad_alloc&) {
  }
}

}  // namespace wpack::load
