// The seam between loading and staging: a fixed set of page-aligned, pinned host buffers (slots)
// through which bytes stream to a device.
//
//   auto ring = wpack::make_staging_ring(device, {});
//   auto slot = (*ring)->acquire({});                      // waits for a free one
//   read(slot->bytes());                                   // fill it, check it
//   wpack::FilledSlot filled = std::move(*slot).seal();    // from here on it is read-only
//   filled.copy({0, size}, destination);                   // the slot outlives `filled` as needed
//
// A slot is in one of four states. What is not in the table does not compile, or is refused:
//
//   state      owner                  left by
//   free       nobody: poisoned       acquire -> filling
//   filling    one WritableSlot       seal -> filled, drop -> free
//   filled     one FilledSlot         copy -> filled, drop -> free, or draining while copies run
//   draining   copies to the device   the end of the last of them -> free
//
// So a slot is never reused under a live handle nor under a copy, however late that ends. Memory
// that nobody owns is filled with 0xDB in debug builds, and made inaccessible under
// AddressSanitizer.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "wpack/buffer_pool.h"
#include "wpack/device.h"
#include "wpack/error.h"
#include "wpack/export.h"
#include "wpack/types.h"

namespace wpack {

class StagingRing;
class FilledSlot;

// A slot that its owner fills. Move-only; dropping it gives the slot back, so whatever still writes
// into it is waited for first. Any thread.
class WPACK_EXPORT WritableSlot {
 public:
  WritableSlot(WritableSlot&& other) noexcept = default;
  WritableSlot& operator=(WritableSlot&& other) = delete;
  WritableSlot(const WritableSlot&) = delete;
  WritableSlot& operator=(const WritableSlot&) = delete;
  ~WritableSlot();

  // All of the slot, aligned to 4,096 bytes; contents are unspecified.
  [[nodiscard]] MutableBytes bytes() const& noexcept { return bytes_; }
  [[nodiscard]] MutableBytes bytes() const&& = delete;

  // Ends the filling: nobody writes into the slot any more.
  [[nodiscard]] FilledSlot seal() &&;

 private:
  friend class StagingRing;
  WritableSlot(std::shared_ptr<StagingRing> ring, std::uint32_t number, MutableBytes bytes)
      : ring_(std::move(ring)), number_(number), bytes_(bytes) {}
  std::shared_ptr<StagingRing> ring_;  // a slot keeps its ring alive
  std::uint32_t number_;
  MutableBytes bytes_;
};

// A slot whose bytes stay as they are while this lives, and afterwards until its copies have ended.
// Move-only. Any thread.
class WPACK_EXPORT FilledSlot {
 public:
  FilledSlot(FilledSlot&& other) noexcept = default;
  FilledSlot& operator=(FilledSlot&& other) = delete;
  FilledSlot(const FilledSlot&) = delete;
  FilledSlot& operator=(const FilledSlot&) = delete;
  ~FilledSlot();

  // All of the slot; valid while this lives.
  [[nodiscard]] Bytes bytes() const& noexcept { return bytes_; }
  [[nodiscard]] Bytes bytes() const&& = delete;

  // Starts to copy the bytes `part` of the slot to the ring's device; the ring learns how it ended.
  // Errors: kInvalidArgument (`part` is not in the slot, or the slot was moved away), those of
  // Device::copy.
  [[nodiscard]] Status copy(ByteRange part, DeviceRange to);

 private:
  friend class WritableSlot;
  FilledSlot(std::shared_ptr<StagingRing> ring, std::uint32_t number, Bytes bytes)
      : ring_(std::move(ring)), number_(number), bytes_(bytes) {}
  std::shared_ptr<StagingRing> ring_;
  std::uint32_t number_;
  Bytes bytes_;
};

// How long acquire() may wait. The flag is borrowed and may be set from any thread.
struct SlotWait {
  const std::atomic<bool>* stop = nullptr;
  std::optional<std::chrono::steady_clock::time_point> deadline = std::nullopt;
};

struct StagingStats {
  std::uint32_t slot_count = 0;
  std::uint64_t slot_size = 0;     // bytes
  std::uint32_t pinned_slots = 0;  // the device refused to pin the others
  std::uint64_t waits = 0;         // acquire() calls that found no slot free
  std::uint64_t copied_bytes = 0;  // by copies whose end was seen
};

// Thread safety: slots are used and dropped on any thread. The functions of the ring are called by
// one thread at a time; whoever streams through a ring that others know claims it first.
// The ring goes with the last handle to it or to a slot, after the copies under way.
class WPACK_EXPORT StagingRing : public std::enable_shared_from_this<StagingRing> {
 public:
  StagingRing() = default;
  StagingRing(const StagingRing&) = delete;
  StagingRing& operator=(const StagingRing&) = delete;
  virtual ~StagingRing() = default;

  [[nodiscard]] virtual Device& device() const noexcept = 0;
  [[nodiscard]] virtual StagingStats stats() const = 0;  // any thread

  // Returns a slot, or nullopt if none is free now. Errors: the first copy's that failed since the
  // last drain().
  [[nodiscard]] Result<std::optional<WritableSlot>> try_acquire();
  // Returns a slot as soon as one is free: when a handle is dropped or copies end. It does not come
  // back if the caller itself holds all slots. The flag is looked at every few milliseconds.
  // Errors: kCancelled, kDeadline, and those of try_acquire().
  [[nodiscard]] Result<WritableSlot> acquire(const SlotWait& wait);
  // Waits until no copy is under way, and forgets failures. Slots that are held stay so. Errors:
  // the first copy's that failed since the last drain().
  [[nodiscard]] virtual Status drain() = 0;

  // Takes the ring for one user, until unclaim(); false if somebody has it. Any thread.
  [[nodiscard]] bool claim() noexcept { return !claimed_.test_and_set(); }
  void unclaim() noexcept { claimed_.clear(); }

 protected:
  friend class WritableSlot;
  friend class FilledSlot;
  struct Taken {
    std::uint32_t number = 0;
    MutableBytes bytes;
  };
  [[nodiscard]] virtual Result<std::optional<Taken>> do_try_acquire() = 0;
  [[nodiscard]] virtual Result<Taken> do_acquire(const SlotWait& wait) = 0;
  virtual void do_seal(std::uint32_t number) noexcept = 0;
  [[nodiscard]] virtual Status do_copy(std::uint32_t number, ByteRange part, DeviceRange to) = 0;
  virtual void do_drop(std::uint32_t number) noexcept = 0;

 private:
  std::atomic_flag claimed_;
};

struct StagingOptions {
  // Host memory of all slots together, in bytes: what is pinned is never more. Pinning costs time,
  // about as much as copying the same bytes a few times.
  std::uint64_t pinned_budget = std::uint64_t{64} << 20;
  // Bytes of a slot, a multiple of 4,096; the budget is cut into as many as it holds. At least the
  // largest chunk that is to be copied; 8 KiB more let any chunk be read past the page cache.
  std::uint64_t slot_size = std::uint64_t{8} << 20;
  // Where the memory of the slots comes from. Null: from the system, beside every memory budget.
  std::shared_ptr<BufferPool> pool = nullptr;
};

// Makes a ring, and pins its memory slot by slot; the ring works with what the device refuses to
// pin, unpinned. Errors: kInvalidArgument (options), kLimit (no memory, or the pool has none left).
//
// The memory that a process takes for loading is the sum of its budgets (OpenOptions and
// WeightCacheOptions::memory_budget), of its rings of no pool (slot_count * slot_size each), and,
// where the host is the device, of what was allocated there. A ring that takes its slots from
// Container::memory_pool() or WeightCache::memory_pool() is a part of that budget as long as it
// lives: 2.5 times the largest layer beside the ring is then enough for both.
[[nodiscard]] WPACK_EXPORT Result<std::shared_ptr<StagingRing>> make_staging_ring(
    std::shared_ptr<Device> device, const StagingOptions& options = {});

}  // namespace wpack
