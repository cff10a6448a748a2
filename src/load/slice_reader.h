// Bringing slices of tensors into memory: what the planner says, executed on the calling thread.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "load/access_counters.h"
#include "load/block.h"
#include "load/chunk_checker.h"
#include "load/engines.h"
#include "load/layer_reader.h"
#include "load/read_control.h"
#include "load/reader_leases.h"
#include "load/shard_set.h"
#include "load/slice_planner.h"
#include "wpack/error.h"

namespace wpack::load {

// The bytes of a slice, and what holds them besides the mapping (null: nothing else).
struct SliceBytes {
  Bytes bytes = {};
  bool mapped = false;
  BlockRef memory = nullptr;
};

// When stored bytes are checked.
struct SliceVerification {
  bool read = false;    // as they are read into private memory
  bool mapped = false;  // once, before they are handed out or copied from a mapping
};

// Thread safety: all functions, from several threads at once.
class SliceReader {
 public:
  // All outlive the reader.
  SliceReader(const OpenedIndex& index, ShardSet& shards, ChunkChecker& checker,
              const LayerReader& layers, const ReadChooser& chooser, AccessCounters& counters,
              const Engines& engines, SliceVerification verify)
      : index_(index),
        shards_(shards),
        checker_(checker),
        layers_(layers),
        chooser_(chooser),
        counters_(counters),
        engines_(engines),
        leases_(engines, counters.fallbacks),
        verify_(verify) {}

  // What read() of the same slices asks of the shards. Errors: those of ShardSet::use.
  [[nodiscard]] Result<ReadPlan> plan_of(std::span<const PlannedSlice> slices);

  // Returns the bytes of `slices` (RAW extents). A slice that is one unbroken run of a mapped shard
  // is a view of it; all others are gathered in private memory. Besides that, up to eight reads of
  // a plan are kept in memory at a time. Errors: kIo, kIntegrity, kLimit (memory, threads),
  // kCancelled, kDeadline.
  [[nodiscard]] Result<std::vector<SliceBytes>> read(std::span<const PlannedSlice> slices,
                                                     const ReadControl& control);

 private:
  // Which way slices go; positions in what was asked for.
  struct Ways {
    std::vector<std::size_t> viewed;    // as views of mapped shards
    std::vector<std::size_t> gathered;  // from mapped shards
    std::vector<std::size_t> read;
  };
  [[nodiscard]] Result<Ways> choose_ways(std::span<const PlannedSlice> slices);
  [[nodiscard]] Result<SlicePlan> plan(std::span<const PlannedSlice> slices,
                                       std::span<const std::size_t> chosen,
                                       bool whole_chunks) const;
  [[nodiscard]] Result<SliceBytes> view(const PlannedSlice& slice, const ReadControl& control);
  // Checks chunks of a mapped extent. Errors: those of LayerReader::check_mapped, kCancelled,
  // kDeadline.
  [[nodiscard]] Status check(const CheckedShard& shard, std::uint32_t extent, ChunkSpan chunks,
                             const ReadControl& control);
  // Brings the chosen slices into private memory, from mapped shards or by reading with one engine.
  [[nodiscard]] Status copy(std::span<const PlannedSlice> slices,
                            std::span<const std::size_t> chosen, bool mapped,
                            const ReadControl& control, std::vector<SliceBytes>& result);
  // Groups slices of shards that one engine reads.
  [[nodiscard]] Result<std::vector<std::vector<std::size_t>>> group_by_engine(
      std::span<const PlannedSlice> slices, std::span<const std::size_t> chosen);
  [[nodiscard]] Status gather(const SlicePlan& plan, std::span<const MutableBytes> out,
                              const ReadControl& control);

  const OpenedIndex& index_;
  ShardSet& shards_;
  ChunkChecker& checker_;
  const LayerReader& layers_;
  const ReadChooser& chooser_;
  AccessCounters& counters_;
  const Engines& engines_;
  ReaderLeases leases_;
  const SliceVerification verify_;
};

}  // namespace wpack::load
