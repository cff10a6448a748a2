// Reading runs of extents into private memory.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "load/chunk_checker.h"
#include "load/engines.h"
#include "load/read_planner.h"
#include "load/reader_leases.h"
#include "load/shard_set.h"
#include "wpack/buffer_pool.h"
#include "wpack/error.h"

namespace wpack::load {

// The bytes of one run in private memory. Immutable once it is complete.
struct Block {
  HostBuffer buffer;
  ByteRange range;  // in the shard file

  // The stored bytes of an extent; empty if they are not in this block.
  [[nodiscard]] Bytes view(const format::ExtentRow& extent) const noexcept;
};
using BlockRef = std::shared_ptr<const Block>;

// Set to true to make a reading stop early with kCancelled; null for one that runs to its end.
using StopFlag = const std::atomic<bool>*;

// Thread safety: all functions, from several threads at once.
class BlockReader {
 public:
  // All outlive the reader. `verify`: chunks are checked as they arrive.
  BlockReader(const OpenedIndex& index, ShardSet& shards, ChunkChecker& checker,
              AccessCounters& counters, const Engines& engines, bool verify);

  // Reads `extents` (ascending, RAW) and returns a block for each, one block for all of a run.
  // Errors: kIo, kIntegrity, kLimit (memory, threads), kCancelled.
  [[nodiscard]] Result<std::vector<BlockRef>> read(std::span<const std::uint32_t> extents,
                                                   StopFlag stop);

 private:
  class Batch;
  [[nodiscard]] Result<std::shared_ptr<Block>> allocate(const ExtentRun& run) const;

  const OpenedIndex& index_;
  ShardSet& shards_;
  ChunkChecker& checker_;
  AccessCounters& counters_;
  const Engines& engines_;
  ReaderLeases leases_;
  const bool verify_;
};

}  // namespace wpack::load
