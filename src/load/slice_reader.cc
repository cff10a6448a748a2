#include "load/slice_reader.h"

#include <algorithm>
#include <utility>

#include "load/fault_ahead.h"
#include "load/slice_batch.h"

namespace wpack::load {

Result<SliceReader::Ways> SliceReader::choose_ways(std::span<const PlannedSlice> slices) {
  Ways ways;
  for (std::size_t i = 0; i < slices.size(); ++i) {
    if (slices[i].layout.nbytes == 0) continue;
    const std::uint32_t shard = index_.file.index.extents()[slices[i].extent].shard;
    WPACK_ASSIGN(const CheckedShard* used, shards_.use(shard));
    auto& way = !used->mapped                   ? ways.read
                : slices[i].layout.contiguous() ? ways.viewed
                                                : ways.gathered;
    way.push_back(i);
  }
  return ways;
}

Result<std::vector<std::vector<std::size_t>>> SliceReader::group_by_engine(
    std::span<const PlannedSlice> slices, std::span<const std::size_t> chosen) {
  std::vector<ReaderLeases::Kind> kinds;
  std::vector<std::vector<std::size_t>> groups;
  for (const std::size_t i : chosen) {
    const std::uint32_t shard = index_.file.index.extents()[slices[i].extent].shard;
    WPACK_ASSIGN(const CheckedShard* used, shards_.use(shard));
    ReaderLeases::Kind kind = ReaderLeases::kind_of(used->reading.choice);
    const auto found = std::ranges::find(kinds, kind);
    if (found == kinds.end()) {
      kinds.push_back(std::move(kind));
      groups.push_back({i});
    } else {
      groups[static_cast<std::size_t>(found - kinds.begin())].push_back(i);
    }
  }
  return groups;
}

Result<SlicePlan> SliceReader::plan(std::span<const PlannedSlice> slices,
                                    std::span<const std::size_t> chosen, bool whole_chunks) const {
  std::vector<PlannedSlice> some;
  some.reserve(chosen.size());
  for (const std::size_t i : chosen) some.push_back(slices[i]);
  auto plan = plan_reads(index_.file.index, std::move(some), {.whole_chunks = whole_chunks});
  if (!plan) return std::move(plan).error().in(index_.label);
  return plan;
}

Result<ReadPlan> SliceReader::plan_of(std::span<const PlannedSlice> slices) {
  WPACK_ASSIGN(Ways ways, choose_ways(slices));
  ways.gathered.insert(ways.gathered.end(), ways.viewed.begin(), ways.viewed.end());
  WPACK_ASSIGN(const SlicePlan mapped, plan(slices, ways.gathered, verify_.mapped));
  WPACK_ASSIGN(const SlicePlan read, plan(slices, ways.read, verify_.read));
  ReadPlan result{.cost = mapped.cost};
  result.cost += read.cost;
  for (const SlicePlan* part : {&mapped, &read}) {
    for (const PlannedRead& planned : part->reads)
      result.reads.push_back({planned.shard, planned.range});
  }
  std::ranges::sort(result.reads, {}, [](const ShardRead& planned) {
    return std::pair(planned.shard, planned.range.begin);
  });
  return result;
}

// In pieces, so that it can be stopped in between.
Status SliceReader::check(const CheckedShard& shard, std::uint32_t extent, ChunkSpan chunks,
                          const ReadControl& control) {
  const std::uint32_t chunk_log2 = index_.file.index.extents()[extent].chunk_log2;
  const auto step =
      static_cast<std::uint32_t>(std::max<std::uint64_t>(kReadInPieceSize >> chunk_log2, 1));
  for (std::uint32_t first = chunks.first; first < chunks.last; first += step) {
    WPACK_TRY(control.check());
    WPACK_TRY(
        layers_.check_mapped(shard, extent, {first, first + std::min(step, chunks.last - first)}));
  }
  return {};
}

Result<SliceBytes> SliceReader::view(const PlannedSlice& slice, const ReadControl& control) {
  const format::ExtentRow extent = index_.file.index.extents()[slice.extent];
  const ByteRange span = slice.layout.span();
  const ByteRange raw{slice.base + span.begin, slice.base + span.end};
  WPACK_ASSIGN(const CheckedShard* shard, shards_.use(extent.shard));
  if (verify_.mapped) WPACK_TRY(check(*shard, slice.extent, chunks_of_range(extent, raw), control));
  const Bytes bytes = shard->view(extent.offset + raw.begin, raw.size());
  if (bytes.empty()) {
    return Error(ErrorCode::kIntegrity, index_.label + ": index changed while it was in use");
  }
  return SliceBytes{.bytes = bytes, .mapped = true};
}

Status SliceReader::gather(const SlicePlan& plan, std::span<const MutableBytes> out,
                           const ReadControl& control) {
  const format::Index& index = index_.file.index;
  for (const PlannedRead& read : plan.reads) {
    WPACK_TRY(control.check());
    WPACK_ASSIGN(const CheckedShard* shard, shards_.use(read.shard));
    WPACK_TRY(layers_.populate(*shard, read.range));
    for (std::uint32_t i = 0; i < read.piece_count; ++i) {
      const PlannedPiece& piece = plan.pieces[read.piece_first + i];
      const format::ExtentRow extent = index.extents()[piece.extent];
      const ChunkSpan chunks{piece.chunk_first, piece.chunk_first + piece.chunk_count};
      WPACK_TRY(checker_.check_once(piece.extent, chunks,
                                    shard->view(extent.offset, extent.stored_size)));
      const Bytes stored = shard->view(piece.stored.begin, piece.stored.size());
      if (Status copied = copy_piece(plan, piece, stored, out); !copied)
        return std::move(copied).error().in(index_.label);
    }
  }
  return {};
}

Status SliceReader::copy(std::span<const PlannedSlice> slices, std::span<const std::size_t> chosen,
                         bool mapped, const ReadControl& control, std::vector<SliceBytes>& result) {
  if (chosen.empty()) return {};
  WPACK_ASSIGN(const SlicePlan planned,
               plan(slices, chosen, mapped ? verify_.mapped : verify_.read));
  auto targets = allocate_targets(engines_.memory, index_.file.index, planned.slices, control);
  if (!targets) return std::move(targets).error().in(index_.label);
  std::vector<MutableBytes> out;
  for (std::size_t i = 0; i < planned.slices.size(); ++i)
    out.push_back((*targets)[i].bytes(planned.slices[i]));
  std::vector<MutableBytes> in_file_order;
  in_file_order.reserve(planned.by_extent.size());
  for (const std::uint32_t i : planned.by_extent) in_file_order.push_back(out[i]);
  const FaultAhead fault_ahead(in_file_order, fault_threads(chooser_.host()), counters_);
  if (mapped) {
    WPACK_TRY(gather(planned, out, control));
  } else {
    const std::uint32_t shard = index_.file.index.extents()[slices[chosen.front()].extent].shard;
    WPACK_ASSIGN(const CheckedShard* used, shards_.use(shard));
    WPACK_ASSIGN(const ReaderLeases::Lease lease, leases_.borrow(used->reading.choice));
    SliceBatch batch(index_.file.index, shards_, counters_, lease.reader(), *engines_.memory,
                     verify_.read ? &checker_ : nullptr, planned, *targets, control);
    WPACK_TRY(batch.run());
  }
  for (std::size_t i = 0; i < chosen.size(); ++i) {
    result[chosen[i]] = {.bytes = out[i], .mapped = false, .memory = (*targets)[i].block};
  }
  return {};
}

Result<std::vector<SliceBytes>> SliceReader::read(std::span<const PlannedSlice> slices,
                                                  const ReadControl& control) {
  std::vector<SliceBytes> result(slices.size());
  WPACK_ASSIGN(const Ways ways, choose_ways(slices));
  for (const std::size_t i : ways.viewed) {
    WPACK_TRY(control.check());
    WPACK_ASSIGN(result[i], view(slices[i], control));
  }
  WPACK_TRY(copy(slices, ways.gathered, true, control, result));
  WPACK_ASSIGN(const auto groups, group_by_engine(slices, ways.read));
  for (const auto& group : groups) WPACK_TRY(copy(slices, group, false, control, result));
  return result;
}

}  // namespace wpack::load
