#include "load/tensor_transfer.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "base/align.h"
#include "base/checked_math.h"
#include "load/device_sink.h"
#include "load/host_sink.h"
#include "load/scope_exit.h"

namespace wpack::load {
namespace {

// Where one transfer needs shards that are read in different ways: this one works for all.
ReadChoice one_for_all() {
  return {.method = ReadMethod::kBuffered,
          .engine = "pread",
          .block_size = std::uint64_t{2} << 20,
          .depth = 4};
}

std::uint64_t alignment_of(const ReadLimits& limits) {
  return std::max(limits.offset_alignment, limits.size_alignment);
}

// Plans the whole chunks of the source apart from what it has of others, so that they can be read
// to their place.
Result<std::vector<TransferPiece>> plan_to_host(const format::Index& index,
                                                const TransferSource& source,
                                                std::uint64_t block_size, std::uint64_t alignment) {
  const format::ExtentRow extent = index.extents()[source.extent];
  const ByteRange whole = whole_chunks(extent, source.raw);
  const std::uint64_t one_chunk = (std::uint64_t{1} << extent.chunk_log2) + 2 * alignment;
  std::vector<TransferPiece> pieces;
  for (const ByteRange raw :
       {ByteRange{source.raw.begin, whole.begin}, whole, ByteRange{whole.end, source.raw.end}}) {
    const TransferSource part{source.extent, raw};
    const std::uint64_t max_size = raw == whole ? std::max(block_size, one_chunk) : one_chunk;
    WPACK_ASSIGN(std::vector<TransferPiece> planned,
                 plan_transfer(index, {&part, 1}, {max_size, alignment}));
    for (TransferPiece& piece : planned) {
      for (TransferPart& of_piece : piece.parts)
        of_piece.source_offset += raw.begin - source.raw.begin;
      pieces.push_back(std::move(piece));
    }
  }
  return pieces;
}

}  // namespace

TensorTransfer::TensorTransfer(const OpenedIndex& index, ShardSet& shards, ChunkChecker& checker,
                               AccessCounters& counters, const Engines& engines, bool verify)
    : index_(index),
      shards_(shards),
      checker_(checker),
      counters_(counters),
      engines_(engines),
      leases_(engines, counters.fallbacks),
      verify_(verify) {}

bool TensorTransfer::suits(const ReadChoice& choice, const TransferSource& source,
                           MutableBytes out) const {
  if (choice.method != ReadMethod::kDirect) return true;
  const ByteRange whole = whole_chunks(index_.file.index.extents()[source.extent], source.raw);
  if (whole.begin == whole.end) return true;
  const auto place = reinterpret_cast<std::uintptr_t>(out.data()) + whole.begin - source.raw.begin;
  return base::is_aligned(place, choice.direct ? choice.direct->memory : 1);
}

ReadChoice TensorTransfer::do_without(const ReadChoice& choice, std::string reason) {
  counters_.fallbacks.count(choice.engine, std::move(reason));
  return one_for_all();
}

// By the range of each shard from the first to the last extent that is wanted.
Result<ReadChoice> TensorTransfer::choose(std::span<const TransferSource> sources) {
  const format::Index& index = index_.file.index;
  std::map<std::uint32_t, ByteRange> ranges;
  for (const TransferSource& source : sources) {
    if (source.raw.begin == source.raw.end) continue;
    const format::ExtentRow extent = index.extents()[source.extent];
    WPACK_TRY(shards_.use(extent.shard));
    if (!base::range_within(extent.offset, extent.stored_size,
                            index.shards()[extent.shard].file_size)) {
      return Error(ErrorCode::kIntegrity, index_.label + ": index changed while it was in use");
    }
    const ByteRange stored{extent.offset, extent.offset + extent.stored_size};
    const auto [found, added] = ranges.try_emplace(extent.shard, stored);
    found->second.begin = std::min(found->second.begin, stored.begin);
    found->second.end = std::max(found->second.end, stored.end);
  }
  std::optional<ReadChoice> first;
  for (const auto& [number, range] : ranges) {
    WPACK_ASSIGN(const CheckedShard* shard, shards_.use(number));
    WPACK_ASSIGN(ReadChoice choice, shards_.choose_copy(*shard, range));
    counters_.fallbacks.count_missing(choice);
    if (const auto file = shards_.readable(*shard, choice.method); !file) {
      if (choice.method != ReadMethod::kDirect) return file.error();
      return do_without(choice, file.error().message());
    }
    if (!first)
      first = std::move(choice);
    else if (ReaderLeases::kind_of(choice) != ReaderLeases::kind_of(*first))
      return do_without(*first, "one transfer takes shards that are read in different ways");
  }
  return first ? *std::move(first) : one_for_all();
}

Status TensorTransfer::read(std::span<const TransferPiece> pieces, PieceSink& sink,
                            AsyncReader& reader, ReadMethod method, const ReadControl& control,
                            const ProgressCallback& progress) {
  ChunkChecker* const checker = verify_ ? &checker_ : nullptr;
  PieceReader piece_reader(reader, method, shards_, checker, counters_, pieces, sink, control);
  return piece_reader.run(progress);
}

Status TensorTransfer::to_host(const TransferSource& source, MutableBytes out,
                               const ReadControl& control, const ProgressCallback& progress) {
  WPACK_ASSIGN(ReadChoice choice, choose({&source, 1}));
  if (!suits(choice, source, out))
    choice = do_without(choice, "direct reads cannot end in memory that is not aligned");
  WPACK_ASSIGN(const ReaderLeases::Lease lease, leases_.borrow(choice));
  const ReadLimits limits = lease.reader().limits();
  auto pieces = plan_to_host(index_.file.index, source, choice.block_size, alignment_of(limits));
  if (!pieces) return std::move(pieces).error().in(index_.label);
  HostSink sink(*pieces, out, limits.memory_alignment, *engines_.memory, counters_, control);
  return read(*pieces, sink, lease.reader(), choice.method, control, progress);
}

Status TensorTransfer::to_device(std::span<const TransferSource> sources,
                                 std::span<const DeviceRange> destinations, StagingRing& ring,
                                 const ReadControl& control, const ProgressCallback& progress) {
  if (!ring.claim()) {
    return Error(ErrorCode::kInvalidArgument,
                 index_.label + ": the staging ring is in use by another transfer");
  }
  const ScopeExit unclaim([&] { ring.unclaim(); });
  WPACK_ASSIGN(ReadChoice choice, choose(sources));
  std::optional<ReaderLeases::Lease> lease;
  const auto plan = [&]() -> Result<std::vector<TransferPiece>> {
    WPACK_ASSIGN(ReaderLeases::Lease borrowed, leases_.borrow(choice));
    lease.emplace(std::move(borrowed));
    return plan_transfer(index_.file.index, sources,
                         {ring.stats().slot_size, alignment_of(lease->reader().limits())});
  };
  auto pieces = plan();
  if (!pieces && choice.method == ReadMethod::kDirect) {  // whose blocks take more room than chunks
    choice = do_without(choice, pieces.error().message());
    pieces = plan();
  }
  if (!pieces) return std::move(pieces).error().in(index_.label);
  DeviceSink sink(ring, *pieces, destinations, counters_, control);
  Status done = read(*pieces, sink, lease->reader(), choice.method, control, progress);
  // Also after an error: nobody writes to the destinations when this returns.
  Status copied = [&] {
    const PhaseTimer timer(counters_, Phase::kConsumer, control.caller_waits(), "wait for copies");
    return ring.drain();
  }();
  if (!done) return done;
  if (!copied) return std::move(copied).error().in(index_.label);
  return {};
}

}  // namespace wpack::load
