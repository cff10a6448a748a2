#include "load/tensor_transfer.h"

#include <algorithm>

#include "base/align.h"
#include "load/device_sink.h"
#include "load/host_sink.h"
#include "load/scope_exit.h"

namespace wpack::load {
namespace {

// As large as reads into blocks are: their fixed cost does not show.
constexpr std::uint64_t kHostPieceSize = std::uint64_t{2} << 20;

// Whatever was chosen for a shard, also where it is mapped: this engine works everywhere.
ReadChoice copying() {
  return {
      .method = ReadMethod::kBuffered, .engine = "pread", .block_size = kHostPieceSize, .depth = 4};
}

std::uint64_t alignment_of(const ReadLimits& limits) {
  return std::max(limits.offset_alignment, limits.size_alignment);
}

// Plans the whole chunks of the source apart from what it has of others, so that they can be read
// to their place.
Result<std::vector<TransferPiece>> plan_to_host(const format::Index& index,
                                                const TransferSource& source,
                                                std::uint64_t alignment) {
  const format::ExtentRow extent = index.extents()[source.extent];
  const ByteRange whole = whole_chunks(extent, source.raw);
  const std::uint64_t one_chunk = (std::uint64_t{1} << extent.chunk_log2) + 2 * alignment;
  std::vector<TransferPiece> pieces;
  for (const ByteRange raw :
       {ByteRange{source.raw.begin, whole.begin}, whole, ByteRange{whole.end, source.raw.end}}) {
    const TransferSource part{source.extent, raw};
    const std::uint64_t max_size = raw == whole ? std::max(kHostPieceSize, one_chunk) : one_chunk;
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

Status TensorTransfer::read(std::span<const TransferPiece> pieces, PieceSink& sink,
                            AsyncReader& reader, const ReadControl& control,
                            const ProgressCallback& progress) {
  ChunkChecker* const checker = verify_ ? &checker_ : nullptr;
  PieceReader piece_reader(reader, shards_, checker, counters_, pieces, sink);
  return piece_reader.run(control, progress);
}

Status TensorTransfer::to_host(const TransferSource& source, MutableBytes out,
                               const ReadControl& control, const ProgressCallback& progress) {
  WPACK_ASSIGN(const ReaderLeases::Lease lease, leases_.borrow(copying()));
  const ReadLimits limits = lease.reader().limits();
  auto pieces = plan_to_host(index_.file.index, source, alignment_of(limits));
  if (!pieces) return std::move(pieces).error().in(index_.label);
  HostSink sink(*pieces, out, limits.memory_alignment, *engines_.memory, control);
  return read(*pieces, sink, lease.reader(), control, progress);
}

Status TensorTransfer::to_device(std::span<const TransferSource> sources,
                                 std::span<const DeviceRange> destinations, StagingRing& ring,
                                 const ReadControl& control, const ProgressCallback& progress) {
  if (!ring.claim()) {
    return Error(ErrorCode::kInvalidArgument,
                 index_.label + ": the staging ring is in use by another transfer");
  }
  const ScopeExit unclaim([&] { ring.unclaim(); });
  WPACK_ASSIGN(const ReaderLeases::Lease lease, leases_.borrow(copying()));
  auto pieces = plan_transfer(index_.file.index, sources,
                              {ring.stats().slot_size, alignment_of(lease.reader().limits())});
  if (!pieces) return std::move(pieces).error().in(index_.label);
  DeviceSink sink(ring, *pieces, destinations, control);
  Status done = read(*pieces, sink, lease.reader(), control, progress);
  // Also after an error: nobody writes to the destinations when this returns.
  Status copied = ring.drain();
  if (!done) return done;
  if (!copied) return std::move(copied).error().in(index_.label);
  return {};
}

}  // namespace wpack::load
