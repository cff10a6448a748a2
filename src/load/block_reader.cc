#include "load/block_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

#include "base/checked_math.h"
#include "load/counted_memory.h"
#include "load/fault_ahead.h"
#include "load/reads_in_flight.h"

namespace wpack::load {

// One call of read(): pieces in file order go out, come back in any order, and are checked in file
// order while later ones are still being read.
class BlockReader::Batch {
 public:
  Batch(BlockReader& owner, AsyncReader& reader, std::span<const std::uint32_t> extents,
        const ReadControl& control)
      : owner_(owner),
        extents_(extents),
        control_(control),
        reads_(reader, owner.counters_, control) {}

  void add(const ReadableShard& file, std::uint64_t piece_size, const ExtentRun& run,
           const std::shared_ptr<Block>& block) {
    for (const ByteRange piece : split_into_pieces(run.range, piece_size)) {
      const auto out = block->buffer.bytes().subspan(piece.begin - run.range.begin, piece.size());
      pieces_.push_back({{file, piece.begin, out, pieces_.size()}, block.get(), false});
    }
    for (std::uint32_t i = 0; i < run.count; ++i) blocks_.push_back(block);
  }

  [[nodiscard]] Status run() {
    while (arrived_ < pieces_.size()) {
      WPACK_TRY(control_.tell());
      WPACK_TRY(submit());
      WPACK_ASSIGN(const auto arrived, reads_.wait());
      for (const std::uint64_t number : arrived) {
        pieces_[number].arrived = true;
        control_.add_read(pieces_[number].read.out.size());
      }
      arrived_ += arrived.size();
      if (owner_.verify_) WPACK_TRY(check_arrived());
    }
    return {};
  }

  [[nodiscard]] std::vector<BlockRef> take_blocks() { return std::move(blocks_); }

 private:
  struct Piece {
    FileRead read;
    const Block* block;
    bool arrived;
  };

  // Until all are under way, or the engine is full.
  [[nodiscard]] Status submit() {
    std::array<FileRead, ReadsInFlight::kMaxBatch> batch;
    while (submitted_ < pieces_.size()) {
      const std::size_t count = std::min(batch.size(), pieces_.size() - submitted_);
      for (std::size_t i = 0; i < count; ++i) batch[i] = pieces_[submitted_ + i].read;
      WPACK_ASSIGN(const std::size_t accepted, reads_.submit(std::span(batch).first(count)));
      submitted_ += accepted;
      if (accepted < count) break;
    }
    return {};
  }

  // Checks the chunks that end before the first piece that is missing.
  [[nodiscard]] Status check_arrived() {
    const format::Index& index = owner_.index_.file.index;
    while (prefix_ < pieces_.size() && pieces_[prefix_].arrived) ++prefix_;
    for (; extent_ < extents_.size(); ++extent_, chunk_ = 0) {
      const format::ExtentRow extent = index.extents()[extents_[extent_]];
      const Block& block = *blocks_[extent_];
      const Bytes stored = block.view(extent);
      for (; chunk_ < extent.chunk_count; ++chunk_) {
        const format::ChunkRow chunk = index.chunks()[extent.chunk_first + chunk_];
        if (!has_arrived(block, extent.offset + chunk.offset + chunk.stored_size)) return {};
        const bool inside = base::range_within(chunk.offset, chunk.stored_size, stored.size());
        const PhaseTimer timer(owner_.counters_, Phase::kVerify, control_.caller_waits(), "verify",
                               chunk.stored_size);
        WPACK_TRY(owner_.checker_.check(
            extents_[extent_], chunk_,
            inside ? stored.subspan(chunk.offset, chunk.stored_size) : Bytes()));
      }
    }
    return {};
  }

  // True if `block` has arrived up to the file offset `end`.
  [[nodiscard]] bool has_arrived(const Block& block, std::uint64_t end) const {
    if (prefix_ == pieces_.size()) return true;
    const Piece& missing = pieces_[prefix_];
    return missing.block != &block || end <= missing.read.offset;
  }

  BlockReader& owner_;
  const std::span<const std::uint32_t> extents_;
  const ReadControl& control_;
  std::vector<Piece> pieces_;
  std::vector<BlockRef> blocks_;  // one for each of extents_
  std::size_t submitted_ = 0;     // pieces, from the front
  std::size_t arrived_ = 0;       // pieces, in any order
  std::size_t prefix_ = 0;        // pieces [0, prefix_) have arrived
  std::size_t extent_ = 0;        // the next chunk to check: chunk_ of extents_[extent_]
  std::uint32_t chunk_ = 0;
  ReadsInFlight reads_;  // ends before what it reads into
};

BlockReader::BlockReader(const OpenedIndex& index, ShardSet& shards, ChunkChecker& checker,
                         AccessCounters& counters, const Engines& engines, bool verify)
    : index_(index),
      shards_(shards),
      checker_(checker),
      counters_(counters),
      engines_(engines),
      leases_(engines, counters.fallbacks),
      verify_(verify) {}

Result<std::vector<BlockRef>> BlockReader::read(std::span<const std::uint32_t> extents,
                                                const ReadControl& control,
                                                MemoryBudget::Reading* reading) {
  WPACK_ASSIGN(const std::vector<ShardReads> reads, shards_.block_reads_of(extents));
  const std::vector<ExtentRun> runs = plan_runs(index_.file.index, extents, reads);
  if (runs.empty()) return std::vector<BlockRef>();
  for (const ExtentRun& run : runs) control.expect_read(run.range.size());
  WPACK_ASSIGN(const auto blocks, allocate(runs, control, reading));
  std::vector<MutableBytes> memory;
  memory.reserve(blocks.size());
  for (const std::shared_ptr<Block>& block : blocks) memory.push_back(block->buffer.bytes());
  WPACK_ASSIGN(const CheckedShard* first, shards_.use(runs.front().shard));
  const FaultAhead fault_ahead(memory, first->reading.choice.fault_threads, counters_);
  std::vector<BlockRef> result;
  result.reserve(extents.size());
  for (std::size_t begin = 0; begin < runs.size();) {
    WPACK_ASSIGN(const std::size_t end, end_of_kind(runs, begin));
    WPACK_TRY(read_runs(extents, std::span(runs).subspan(begin, end - begin),
                        std::span(blocks).subspan(begin, end - begin), control, result));
    begin = end;
  }
  return result;
}

// Shards of one container rarely differ, but they can lie on different file systems.
Result<std::size_t> BlockReader::end_of_kind(std::span<const ExtentRun> runs,
                                             std::size_t begin) const {
  WPACK_ASSIGN(const CheckedShard* first, shards_.use(runs[begin].shard));
  const ReaderLeases::Kind kind = ReaderLeases::kind_of(first->reading.choice);
  std::size_t end = begin + 1;
  for (; end < runs.size(); ++end) {
    WPACK_ASSIGN(const CheckedShard* shard, shards_.use(runs[end].shard));
    if (ReaderLeases::kind_of(shard->reading.choice) != kind) break;
  }
  return end;
}

Status BlockReader::read_runs(std::span<const std::uint32_t> extents,
                              std::span<const ExtentRun> runs,
                              std::span<const std::shared_ptr<Block>> blocks,
                              const ReadControl& control, std::vector<BlockRef>& result) {
  WPACK_ASSIGN(const CheckedShard* first, shards_.use(runs.front().shard));
  WPACK_ASSIGN(const ReaderLeases::Lease lease, leases_.borrow(first->reading.choice));
  const std::size_t count = runs.back().first + runs.back().count - runs.front().first;
  Batch batch(*this, lease.reader(), extents.subspan(runs.front().first, count), control);
  for (std::size_t i = 0; i < runs.size(); ++i) {
    WPACK_ASSIGN(const CheckedShard* shard, shards_.use(runs[i].shard));
    WPACK_ASSIGN(const ReadableShard file, shards_.readable(*shard, shard->reading.choice.method));
    batch.add(file, shard->reading.choice.block_size, runs[i], blocks[i]);
  }
  WPACK_TRY(batch.run());
  std::ranges::move(batch.take_blocks(), std::back_inserter(result));
  return {};
}

Result<std::vector<std::shared_ptr<Block>>> BlockReader::allocate(
    std::span<const ExtentRun> runs, const ReadControl& control,
    MemoryBudget::Reading* reading) const {
  std::vector<std::uint64_t> sizes;
  sizes.reserve(runs.size());
  for (const ExtentRun& run : runs) sizes.push_back(run.range.size());
  // Before there is memory for them: only the end of a block says that memory has come back.
  std::vector<std::shared_ptr<Block>> blocks;
  blocks.reserve(runs.size());
  for (const ExtentRun& run : runs)
    blocks.push_back(std::make_shared<Block>(HostBuffer(), run.range, engines_.memory));
  auto buffers = obtain_counted(*engines_.memory, sizes, control, reading, counters_);
  if (!buffers) return std::move(buffers).error();
  for (std::size_t i = 0; i < runs.size(); ++i) blocks[i]->buffer = std::move((*buffers)[i]);
  return blocks;
}

}  // namespace wpack::load
