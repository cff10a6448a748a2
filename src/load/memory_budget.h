// Memory for blocks, under a budget: who gets it, who waits for it, and what is given up for it.
//
// A demand (somebody waits for the bytes) goes before readahead. When the memory is spent, layers
// that nobody holds are given up: released ones for anybody, ones that were read ahead for demands
// only. When there are none of these either, readahead waits; a demand waits as long as others are
// reading, and until its deadline if it has one, and then fails. What handles hold is never taken.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "load/kept_layers.h"
#include "load/read_control.h"
#include "os/process.h"
#include "wpack/buffer_pool.h"
#include "wpack/error.h"

namespace wpack::load {

struct MemoryUse {
  BufferPoolStats pool;
  std::uint64_t given_up = 0;  // layers
};

// Thread safety: all functions, from several threads at once. Containers may share one.
class MemoryBudget {
 public:
  using Key = KeptLayers::Key;
  static constexpr std::uint64_t kUnlimited = ~std::uint64_t{0};

  // `pool` hands out at most `size` bytes (kUnlimited: as many as the system has).
  MemoryBudget(std::shared_ptr<BufferPool> pool, std::uint64_t size)
      : pool_(std::move(pool)), size_(size) {}

  [[nodiscard]] bool is_limited() const noexcept { return size_ != kUnlimited; }
  [[nodiscard]] std::uint64_t size() const noexcept { return size_; }
  // The most that one layer may take: 2/5 of the budget, so that the layer in use, the next one and
  // a part of a third fit beside each other.
  [[nodiscard]] std::uint64_t largest_layer() const noexcept {
    return is_limited() ? size_ / 5 * 2 : kUnlimited;
  }
  // The budget that a layer of so many bytes needs.
  [[nodiscard]] static std::uint64_t needed_for_layer(std::uint64_t size) noexcept;

  // A reading whose memory will be kept when it ends, so that a demand rather waits than fails.
  class Reading {
   public:
    explicit Reading(MemoryBudget& budget) noexcept : budget_(budget) {}
    Reading(const Reading&) = delete;
    Reading& operator=(const Reading&) = delete;
    ~Reading();

   private:
    friend class MemoryBudget;
    MemoryBudget& budget_;
    bool granted_ = false;
  };

  // Returns a buffer of each size, all or none, for `reading` if that is not null. Errors: kLimit
  // (with the budget that would do, while handles hold what they do now), kCancelled, kDeadline.
  [[nodiscard]] Result<std::vector<HostBuffer>> obtain(std::span<const std::uint64_t> sizes,
                                                       const ReadControl& control,
                                                       Reading* reading);
  // The same for a demand that can do with less: waits for nobody. Errors: kLimit.
  [[nodiscard]] Result<std::vector<HostBuffer>> obtain_now(std::span<const std::uint64_t> sizes,
                                                           Reading* reading);

  // Returns a buffer for a caller who does not read: waits for nobody, but gives up layers as for a
  // demand. Errors: kLimit, as above.
  [[nodiscard]] Result<HostBuffer> obtain_now(std::uint64_t size);

  // Keeps a layer that nobody holds, until it is taken or given up.
  void keep(Key key, LayerBlocks blocks, KeptAs kept_as);
  // Returns a layer that was kept; empty if it was not, or was given up.
  [[nodiscard]] LayerBlocks take(Key key);
  [[nodiscard]] bool keeps(Key key) const;
  // Lets all go that is kept of a container.
  void forget(const void* container) noexcept;

  // Wakes who waits in obtain(), to look again.
  void notify() noexcept;

  [[nodiscard]] MemoryUse use() const;

 private:
  [[nodiscard]] Result<std::vector<HostBuffer>> allocate(std::span<const std::uint64_t> sizes,
                                                         Reading* reading);
  // `refused`: what the pool said, which knows neither all sizes nor a budget that would do.
  [[nodiscard]] Error refusal(std::uint64_t needed, Error refused) const;
  [[nodiscard]] std::uint64_t changes() const;
  [[nodiscard]] bool give_up_one(bool also_read_ahead);

  const os::ProcessMark mark_;
  const std::shared_ptr<BufferPool> pool_;
  const std::uint64_t size_;
  std::mutex allocating_;  // so that nobody fails for what another one takes and gives back
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::uint64_t changes_ = 0;  // of what obtain() looks at
  KeptLayers kept_;
  std::uint64_t granted_ = 0;  // readings that have their memory
  std::uint64_t given_up_ = 0;
};

}  // namespace wpack::load
