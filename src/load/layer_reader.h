// Bringing one layer into memory, mapped or read, on the calling thread.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "load/access_counters.h"
#include "load/block_cache.h"
#include "load/chunk_checker.h"
#include "load/read_planner.h"
#include "load/shard_set.h"
#include "wpack/container.h"
#include "wpack/error.h"

namespace wpack::load {

// Thread safety: all functions, from several threads at once.
class LayerReader {
 public:
  // All outlive the reader. `verify_mapped`: chunks of mapped shards are checked once.
  LayerReader(const OpenedIndex& index, ShardSet& shards, ChunkChecker& checker, BlockCache& blocks,
              const MemoryBudget& memory, AccessCounters& counters, bool verify_mapped)
      : index_(index),
        shards_(shards),
        checker_(checker),
        blocks_(blocks),
        memory_(memory),
        counters_(counters),
        verify_mapped_(verify_mapped) {}

  // Opens and checks the shards that the layer needs. Errors: those of ShardSet::use.
  [[nodiscard]] Status use_shards(std::uint32_t layer) const;

  // Waits until all bytes of the layer are in memory and, by policy, checked; `size` becomes how
  // many were asked for. Errors: kIo, kIntegrity, kLimit, kCancelled, kDeadline.
  [[nodiscard]] Result<LayerBlocks> read(std::uint32_t layer, const ReadControl& control,
                                         MemoryBudget::Reading& reading, std::uint64_t& size) const;

  // Lets the layer's own mapped pages go.
  void release_pages(std::uint32_t layer, ReleasePages pages) const;

  // Faults in and checks the chunks of a mapped extent that no one has checked before, for a caller
  // who waits. Errors: kIo with file and offset, kIntegrity, kCancelled, kDeadline.
  [[nodiscard]] Status check_mapped(const CheckedShard& shard, std::uint32_t extent,
                                    ChunkSpan chunks, const ReadControl& control) const;
  // Faults in `range` of a mapped shard, for a caller who waits. Errors: kIo with file and offset.
  [[nodiscard]] Status populate(const CheckedShard& shard, ByteRange range) const;

 private:
  // The same for a few chunks at once.
  [[nodiscard]] Status check_mapped_piece(const CheckedShard& shard, std::uint32_t extent,
                                          ChunkSpan chunks) const;
  // Errors: kLimit (the layer is larger than one may be under the budget).
  [[nodiscard]] Status check_size(std::uint32_t layer, std::uint64_t private_size) const;

  const OpenedIndex& index_;
  ShardSet& shards_;
  ChunkChecker& checker_;
  BlockCache& blocks_;
  const MemoryBudget& memory_;
  AccessCounters& counters_;
  const bool verify_mapped_;
};

}  // namespace wpack::load
