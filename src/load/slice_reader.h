// Bringing slices of tensors into memory: what the planner says, executed on the calling thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
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
#include "load/slice_batch.h"
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
  // is a view of it; all others are gathered in private memory. Besides that, as many reads are
  // kept in memory at a time as the shard's choice has under way, of its block size: fewer, and at
  // last small ones, where a budget has no room for them. Errors: kIo, kIntegrity, kLimit (memory,
  // threads), kCancelled, kDeadline.
  [[nodiscard]] Result<std::vector<SliceBytes>> read(std::span<const PlannedSlice> slices,
                                                     const ReadControl& control);

 private:
  // Which way slices go; positions in what was asked for.
  struct Ways {
    std::vector<std::size_t> viewed;    // as views of mapped shards
    std::vector<std::size_t> gathered;  // from mapped shards
    std::vector<std::size_t> read;
  };
  // Slices that reach private memory together: from mapped shards, or through one reader.
  struct Part {
    std::vector<std::size_t> chosen;                          // positions in what was asked for
    std::optional<ReaderLeases::Lease> lease = std::nullopt;  // none: from mapped shards
    std::uint32_t depth = 0;
    SlicePlan plan = {};
    std::vector<SliceRoom> rooms = {};
    std::uint64_t scratch_size = 0;
    std::vector<SliceTarget> targets = {};
  };
  // The largest reads where there is no room for those of the shard's block size. The same under
  // every budget, and reads that are chosen are never cut to less: so a budget that is named for
  // these is enough, and no smaller one is.
  static constexpr std::uint64_t kSmallRead = std::uint64_t{64} << 10;

  [[nodiscard]] Result<Ways> choose_ways(std::span<const PlannedSlice> slices);
  // How the shards of the chosen slices are read.
  [[nodiscard]] Result<std::vector<ShardReads>> reads_of(std::span<const PlannedSlice> slices,
                                                         std::span<const std::size_t> chosen,
                                                         std::uint64_t max_read);
  [[nodiscard]] Result<SlicePlan> plan(std::span<const PlannedSlice> slices,
                                       std::span<const std::size_t> chosen,
                                       std::span<const ShardReads> reads, bool whole_chunks) const;
  [[nodiscard]] Result<SliceBytes> view(const PlannedSlice& slice, const ReadControl& control);
  // Divides what is gathered and read.
  [[nodiscard]] Result<std::vector<Part>> make_parts(std::span<const PlannedSlice> slices,
                                                     Ways ways);
  // Plans the parts with reads of at most `max_read` bytes.
  [[nodiscard]] Status plan_parts(std::span<const PlannedSlice> slices, std::uint64_t max_read,
                                  std::vector<Part>& parts);
  // Takes the memory of all parts, and returns the scratch that they use one after the other.
  [[nodiscard]] Result<HostBuffer> allocate(std::span<const PlannedSlice> slices,
                                            const ReadControl& control,
                                            MemoryBudget::Reading& reading,
                                            std::vector<Part>& parts);
  // Brings a part into its memory.
  [[nodiscard]] Status copy(Part& part, MutableBytes scratch, const ReadControl& control);
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
