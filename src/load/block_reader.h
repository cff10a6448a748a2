// Reading runs of extents into private memory.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "load/block.h"
#include "load/chunk_checker.h"
#include "load/engines.h"
#include "load/memory_budget.h"
#include "load/read_control.h"
#include "load/read_planner.h"
#include "load/reader_leases.h"
#include "load/shard_set.h"
#include "wpack/error.h"

namespace wpack::load {

// Thread safety: all functions, from several threads at once.
class BlockReader {
 public:
  // All outlive the reader. `verify`: chunks are checked as they arrive.
  BlockReader(const OpenedIndex& index, ShardSet& shards, ChunkChecker& checker,
              AccessCounters& counters, const Engines& engines, bool verify);

  // Reads `extents` (ascending, RAW) and returns a block for each, one block for all of a run.
  // Memory is taken for `reading` (see MemoryBudget::obtain).
  // Errors: kIo, kIntegrity, kLimit (memory, threads), kCancelled, kDeadline.
  [[nodiscard]] Result<std::vector<BlockRef>> read(std::span<const std::uint32_t> extents,
                                                   const ReadControl& control,
                                                   MemoryBudget::Reading* reading);

 private:
  class Batch;
  // Returns the end of the runs from `begin` on that one engine reads.
  [[nodiscard]] Result<std::size_t> end_of_kind(std::span<const ExtentRun> runs,
                                                std::size_t begin) const;
  // Reads such runs into their blocks, and appends one for each of their extents to `result`.
  [[nodiscard]] Status read_runs(std::span<const std::uint32_t> extents,
                                 std::span<const ExtentRun> runs,
                                 std::span<const std::shared_ptr<Block>> blocks,
                                 const ReadControl& control, std::vector<BlockRef>& result);
  [[nodiscard]] Result<std::vector<std::shared_ptr<Block>>> allocate(
      std::span<const ExtentRun> runs, const ReadControl& control,
      MemoryBudget::Reading* reading) const;

  const OpenedIndex& index_;
  ShardSet& shards_;
  ChunkChecker& checker_;
  AccessCounters& counters_;
  const Engines& engines_;
  ReaderLeases leases_;
  const bool verify_;
};

}  // namespace wpack::load
