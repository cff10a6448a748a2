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

// How much memory one slice takes, and where in it the slice begins. That of an unbroken run has
// room for the aligned reads that bring it in, at an address that is aligned as the file offset is,
// so that they may end there directly.
struct SliceRoom {
  std::uint64_t size = 0;
  std::uint64_t lead = 0;
};
[[nodiscard]] std::vector<SliceRoom> rooms_of(const format::Index& index,
                                              std::span<const PlannedSlice> slices,
                                              std::span<const ShardReads> reads);

// The reads of a plan that cannot end in the room of their slice.
struct ScratchReads {
  std::uint64_t size = 0;  // of the largest; 0: there are none
  std::uint64_t count = 0;
};
// `memory_alignment`: what the engine asks of memory that it reads into.
[[nodiscard]] ScratchReads scratch_reads(const format::Index& index, const SlicePlan& plan,
                                         std::span<const SliceRoom> rooms,
                                         std::uint64_t memory_alignment);

// Where the bytes of one slice go.
struct SliceTarget {
  std::shared_ptr<Block> block;
  std::uint64_t lead = 0;  // the slice begins here in the block

  [[nodiscard]] MutableBytes bytes(const PlannedSlice& slice) const {
    return block->buffer.bytes().subspan(lead, slice.layout.nbytes);
  }
};

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
  // What is read, and into what. `targets` are in the plan's rooms, `scratch` has room for the
  // largest of the plan's scratch_reads().
  struct Work {
    const SlicePlan& plan;
    std::span<const SliceRoom> rooms;
    std::span<const SliceTarget> targets;
    MutableBytes scratch;
  };
  // All outlive the batch. Up to `depth` reads are under way at a time, as far as there is memory
  // for more of them beside `scratch`. `checker` is null where nothing is to be checked.
  SliceBatch(const format::Index& index, ShardSet& shards, AccessCounters& counters,
             AsyncReader& reader, std::uint32_t depth, MemoryBudget& memory, ChunkChecker* checker,
             const Work& work, const ReadControl& control);
  SliceBatch(const SliceBatch&) = delete;
  SliceBatch& operator=(const SliceBatch&) = delete;
  // Whatever ended it, nothing writes into the targets any more when it is gone.
  ~SliceBatch();

  // Reads, checks and copies. Errors: kIo, kIntegrity, kLimit, kCancelled, kDeadline.
  [[nodiscard]] Status run();

 private:
  // A read that is under way: into a target, or into scratch.
  struct Slot {
    std::uint32_t read = 0;
    ReadableShard file;
    MutableBytes scratch;
    MutableBytes out;
    bool busy = false;
  };

  void add_scratch();
  // Returns where the read goes; nothing if all scratch is in use.
  [[nodiscard]] std::optional<MutableBytes> place_for(const PlannedRead& read, Slot& slot);
  void free(Slot& slot);
  [[nodiscard]] Status submit();
  [[nodiscard]] Status finish(Slot& slot);

  const format::Index& index_;
  ShardSet& shards_;
  AccessCounters& counters_;
  MemoryBudget& memory_;
  ChunkChecker* const checker_;
  const Work work_;
  const SlicePlan& plan_;
  const std::uint64_t memory_alignment_;
  std::vector<MutableBytes> out_;
  std::vector<HostBuffer> more_scratch_;
  std::vector<MutableBytes> free_scratch_;
  std::vector<Slot> slots_;
  std::uint32_t next_ = 0;  // of the reads
  const ReadControl& control_;
  ReadsInFlight reads_;
};

}  // namespace wpack::load
