#include "load/slice_reader.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "load/counted_memory.h"
#include "load/fault_ahead.h"

namespace wpack::load {
namespace {

constexpr std::uint64_t kAnySize = std::numeric_limits<std::uint64_t>::max();

}  // namespace

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

Result<std::vector<ShardReads>> SliceReader::reads_of(std::span<const PlannedSlice> slices,
                                                      std::span<const std::size_t> chosen,
                                                      std::uint64_t max_read) {
  std::vector<std::uint32_t> extents;
  extents.reserve(chosen.size());
  for (const std::size_t i : chosen) extents.push_back(slices[i].extent);
  WPACK_ASSIGN(std::vector<ShardReads> reads, shards_.reads_of(extents));
  for (ShardReads& shard : reads) shard.max_size = std::clamp(shard.max_size, kSmallRead, max_read);
  return reads;
}

Result<SlicePlan> SliceReader::plan(std::span<const PlannedSlice> slices,
                                    std::span<const std::size_t> chosen,
                                    std::span<const ShardReads> reads, bool whole_chunks) const {
  std::vector<PlannedSlice> some;
  some.reserve(chosen.size());
  for (const std::size_t i : chosen) some.push_back(slices[i]);
  auto plan = plan_reads(index_.file.index, std::move(some),
                         {.reads = reads, .whole_chunks = whole_chunks});
  if (!plan) return std::move(plan).error().in(index_.label);
  return plan;
}

Result<ReadPlan> SliceReader::plan_of(std::span<const PlannedSlice> slices) {
  WPACK_ASSIGN(Ways ways, choose_ways(slices));
  ways.gathered.insert(ways.gathered.end(), ways.viewed.begin(), ways.viewed.end());
  WPACK_ASSIGN(const auto reads, reads_of(slices, ways.read, kAnySize));
  WPACK_ASSIGN(const SlicePlan mapped, plan(slices, ways.gathered, {}, verify_.mapped));
  WPACK_ASSIGN(const SlicePlan read, plan(slices, ways.read, reads, verify_.read));
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

Result<SliceBytes> SliceReader::view(const PlannedSlice& slice, const ReadControl& control) {
  const format::ExtentRow extent = index_.file.index.extents()[slice.extent];
  const ByteRange span = slice.layout.span();
  const ByteRange raw{slice.base + span.begin, slice.base + span.end};
  WPACK_ASSIGN(const CheckedShard* shard, shards_.use(extent.shard));
  if (verify_.mapped) {
    WPACK_TRY(layers_.check_mapped(*shard, slice.extent, chunks_of_range(extent, raw), control));
  }
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
    WPACK_TRY(control.tell());
    WPACK_ASSIGN(const CheckedShard* shard, shards_.use(read.shard));
    WPACK_TRY(layers_.populate(*shard, read.range));
    for (std::uint32_t i = 0; i < read.piece_count; ++i) {
      const PlannedPiece& piece = plan.pieces[read.piece_first + i];
      const format::ExtentRow extent = index.extents()[piece.extent];
      const ChunkSpan chunks{piece.chunk_first, piece.chunk_first + piece.chunk_count};
      if (chunks.first != chunks.last) {
        const PhaseTimer timer(counters_, Phase::kVerify, true, "verify", piece.stored.size());
        WPACK_TRY(checker_.check_once(piece.extent, chunks,
                                      shard->view(extent.offset, extent.stored_size)));
      }
      const Bytes stored = shard->view(piece.stored.begin, piece.stored.size());
      if (Status copied = copy_piece(plan, piece, stored, out); !copied)
        return std::move(copied).error().in(index_.label);
    }
    control.add_read(read.range.size());
  }
  return {};
}

Result<std::vector<SliceReader::Part>> SliceReader::make_parts(std::span<const PlannedSlice> slices,
                                                               Ways ways) {
  std::vector<Part> parts;
  if (!ways.gathered.empty()) parts.push_back({.chosen = std::move(ways.gathered)});
  WPACK_ASSIGN(auto groups, group_by_engine(slices, ways.read));
  for (std::vector<std::size_t>& group : groups) {
    const std::uint32_t shard = index_.file.index.extents()[slices[group.front()].extent].shard;
    WPACK_ASSIGN(const CheckedShard* used, shards_.use(shard));
    WPACK_ASSIGN(ReaderLeases::Lease lease, leases_.borrow(used->reading.choice));
    parts.push_back({.chosen = std::move(group),
                     .lease = std::move(lease),
                     .depth = used->reading.choice.depth});
  }
  return parts;
}

Status SliceReader::plan_parts(std::span<const PlannedSlice> slices, std::uint64_t max_read,
                               std::vector<Part>& parts) {
  const format::Index& index = index_.file.index;
  for (Part& part : parts) {
    std::vector<ShardReads> reads;
    if (part.lease) {
      WPACK_ASSIGN(reads, reads_of(slices, part.chosen, max_read));
    }
    WPACK_ASSIGN(part.plan,
                 plan(slices, part.chosen, reads, part.lease ? verify_.read : verify_.mapped));
    part.rooms = rooms_of(index, part.plan.slices, reads);
    if (!part.lease) continue;
    const std::uint64_t memory_alignment = part.lease->reader().limits().memory_alignment;
    part.scratch_size = scratch_reads(index, part.plan, part.rooms, memory_alignment).size;
  }
  return {};
}

Result<HostBuffer> SliceReader::allocate(std::span<const PlannedSlice> slices,
                                         const ReadControl& control, MemoryBudget::Reading& reading,
                                         std::vector<Part>& parts) {
  const auto sizes_of_all = [&] {
    std::vector<std::uint64_t> sizes = {0};  // the scratch first
    for (const Part& part : parts) {
      sizes.front() = std::max(sizes.front(), part.scratch_size);
      for (const SliceRoom& room : part.rooms) sizes.push_back(room.size);
    }
    return sizes;
  };
  // Before there is memory for them: only the end of a block says that memory has come back.
  for (Part& part : parts) {
    for (std::size_t i = 0; i < part.rooms.size(); ++i) {
      part.targets.push_back(
          {std::make_shared<Block>(HostBuffer(), ByteRange{}, engines_.memory), 0});
    }
  }
  auto buffers = engines_.memory->obtain_now(sizes_of_all(), &reading);
  if (!buffers) {
    WPACK_TRY(plan_parts(slices, kSmallRead, parts));
    buffers = obtain_counted(*engines_.memory, sizes_of_all(), control, &reading, counters_);
  }
  if (!buffers) return std::move(buffers).error();
  auto next = buffers->begin() + 1;
  for (Part& part : parts) {
    for (std::size_t i = 0; i < part.rooms.size(); ++i, ++next) {
      part.targets[i].block->buffer = std::move(*next);
      part.targets[i].lead = part.rooms[i].lead;
    }
  }
  return std::move(buffers->front());
}

Status SliceReader::copy(Part& part, MutableBytes scratch, const ReadControl& control) {
  std::vector<MutableBytes> out;
  out.reserve(part.targets.size());
  for (std::size_t i = 0; i < part.targets.size(); ++i)
    out.push_back(part.targets[i].bytes(part.plan.slices[i]));
  std::vector<MutableBytes> in_file_order;
  in_file_order.reserve(part.plan.by_extent.size());
  for (const std::uint32_t i : part.plan.by_extent) in_file_order.push_back(out[i]);
  const format::Index& index = index_.file.index;
  const std::uint32_t shard = index.extents()[part.plan.slices.front().extent].shard;
  WPACK_ASSIGN(const CheckedShard* used, shards_.use(shard));
  const FaultAhead fault_ahead(in_file_order, chooser_.first_touch(used->reading.file).threads,
                               counters_);
  if (!part.lease) return gather(part.plan, out, control);
  SliceBatch batch(index, shards_, counters_, part.lease->reader(), part.depth, *engines_.memory,
                   verify_.read ? &checker_ : nullptr,
                   {part.plan, part.rooms, part.targets, scratch}, control);
  return batch.run();
}

Result<std::vector<SliceBytes>> SliceReader::read(std::span<const PlannedSlice> slices,
                                                  const ReadControl& control) {
  std::vector<SliceBytes> result(slices.size());
  if (slices.empty()) return result;
  WPACK_TRY(control.check());
  WPACK_ASSIGN(Ways ways, choose_ways(slices));
  for (const std::size_t i : ways.viewed) {
    WPACK_TRY(control.check());
    WPACK_ASSIGN(result[i], view(slices[i], control));
  }
  WPACK_ASSIGN(std::vector<Part> parts, make_parts(slices, std::move(ways)));
  if (parts.empty()) return result;
  // Ends after the scratch went back, and wakes who waits for it.
  MemoryBudget::Reading reading(*engines_.memory);
  WPACK_TRY(plan_parts(slices, kAnySize, parts));
  WPACK_ASSIGN(const HostBuffer scratch, allocate(slices, control, reading, parts));
  for (const Part& part : parts) control.expect_read(part.plan.cost.read_bytes);
  for (Part& part : parts) {
    WPACK_TRY(copy(part, scratch.bytes(), control));
    for (std::size_t i = 0; i < part.chosen.size(); ++i) {
      result[part.chosen[i]] = {.bytes = part.targets[i].bytes(part.plan.slices[i]),
                                .mapped = false,
                                .memory = part.targets[i].block};
    }
  }
  return result;
}

}  // namespace wpack::load
