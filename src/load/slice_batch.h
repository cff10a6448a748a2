// Executing the reads of a slice plan through an AsyncReader.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "load/access_counters.h"
#include "load/block.h"
#include "load/chunk_checker.h"
#include "load/memory_budget.h"
#include "load/read_control.h"
#include "load/reads_in_flight.h"
#include "load/shard_set.h"
#include "load/slice_planner.h"
#include "wpack/async_reader.h"
#include "wpack/error.h"

namespace wpack::load {

// Where the bytes of one slice go.
struct SliceTarget {
  std::shared_ptr<Block> block;
  std::uint64_t lead = 0;  // the slice begins here in the block

  [[nodiscard]] MutableBytes bytes(const PlannedSlice& slice) const {
    return block->buffer.bytes().subspan(lead, slice.layout.nbytes);
  }
};

// Returns memory for each of `slices`, all or none. That of an unbroken run has room for the
// aligned reads that bring it in, at an address that is aligned as the file offset is, so that they
// may end there directly. Errors: those of MemoryBudget::obtain.
[[nodiscard]] Result<std::vector<SliceTarget>> allocate_targets(
    const std::shared_ptr<MemoryBudget>& memory, const format::Index& index,
    std::span<const PlannedSlice> slices, const ReadControl& control);

// Checks the chunks of `piece`, whose stored bytes are `stored`. Errors: kIntegrity.
[[nodiscard]] Status check_chunks(const format::Index& index, ChunkChecker& checker,
                                  const PlannedPiece& piece, Bytes stored);

// Copies the stored bytes of `piece` (RAW) to the slices that need them; `out` holds the bytes of
// each slice of the plan. Errors: kIntegrity (the index changed while it was in use).
[[nodiscard]] Status copy_piece(const SlicePlan& plan, const PlannedPiece& piece, Bytes stored,
                                std::span<const MutableBytes> out);

// One use: run() once. Thread safety: one thread.
class SliceBatch {
 public:
  // All outlive the batch. `checker` is null where nothing is to be checked.
  SliceBatch(const format::Index& index, ShardSet& shards, AccessCounters& counters,
             AsyncReader& reader, MemoryBudget& memory, ChunkChecker* checker,
             const SlicePlan& plan, std::span<const SliceTarget> targets,
             const ReadControl& control);
  SliceBatch(const SliceBatch&) = delete;
  SliceBatch& operator=(const SliceBatch&) = delete;
  // Whatever ended it, nothing writes into the targets any more when it is gone.
  ~SliceBatch();

  // Reads, checks and copies. Errors: kIo, kIntegrity, kLimit, kCancelled, kDeadline.
  [[nodiscard]] Status run();

 private:
  // A read that is under way: into a target, or into memory of its own.
  struct Slot {
    std::uint32_t read = 0;
    ReadableShard file;
    HostBuffer scratch;
    MutableBytes out;
    bool direct = false;
    bool busy = false;
  };
  static constexpr std::size_t kSlots = 8;
  static_assert(kSlots <= ReadsInFlight::kMaxBatch);

  [[nodiscard]] std::optional<MutableBytes> direct_target(const PlannedRead& read) const;
  [[nodiscard]] Status fill(Slot& slot, std::uint32_t number);
  [[nodiscard]] Status submit();
  [[nodiscard]] Status finish(Slot& slot);

  const format::Index& index_;
  ShardSet& shards_;
  AccessCounters& counters_;
  MemoryBudget& memory_;
  ChunkChecker* const checker_;
  const SlicePlan& plan_;
  const std::span<const SliceTarget> targets_;
  std::vector<MutableBytes> out_;
  std::vector<Slot> slots_;
  std::uint32_t next_ = 0;  // of the reads
  const std::uint64_t memory_alignment_;
  const ReadControl& control_;
  ReadsInFlight reads_;
};

}  // namespace wpack::load
