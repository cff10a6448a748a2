#include "load/slice_batch.h"

#include <algorithm>
#include <utility>

#include "base/align.h"
#include "base/checked_math.h"

namespace wpack::load {
namespace {

// The place of an unbroken slice in its shard file.
ByteRange place_of(const format::Index& index, const PlannedSlice& slice) {
  const std::uint64_t begin =
      index.extents()[slice.extent].offset + slice.base + slice.layout.runs.front().begin;
  return {begin, begin + slice.layout.nbytes};
}

// The part of `outer` that `inner` is; empty if it lies outside, which only a change of a mapped
// index can cause.
Bytes part_of(Bytes bytes, ByteRange outer, ByteRange inner) {
  if (inner.begin < outer.begin || inner.end < inner.begin ||
      !base::range_within(inner.begin - outer.begin, inner.size(), bytes.size())) {
    return {};
  }
  return bytes.subspan(inner.begin - outer.begin, inner.size());
}

// A read that brings in nothing but bytes of one unbroken slice, or what lies in the first or last
// aligned block beside them, ends where the slice wants them: in the room of slice `number`, from
// `offset` on. No other read touches these blocks of the room.
struct DirectPlace {
  std::uint32_t number = 0;
  std::uint64_t offset = 0;
};
std::optional<DirectPlace> direct_place(const format::Index& index, const SlicePlan& plan,
                                        const PlannedRead& read, std::span<const SliceRoom> rooms,
                                        std::uint64_t memory_alignment) {
  if (read.piece_count != 1) return std::nullopt;
  const PlannedPiece& piece = plan.pieces[read.piece_first];
  if (piece.slice_count != 1) return std::nullopt;
  const std::uint32_t number = plan.by_extent[piece.slice_first];
  const PlannedSlice& slice = plan.slices[number];
  if (!slice.layout.contiguous()) return std::nullopt;
  const ByteRange place = place_of(index, slice);
  const bool only_this = piece.stored.begin >= place.begin && piece.stored.end <= place.end;
  const bool begins = read.range.begin == piece.stored.begin || piece.stored.begin == place.begin;
  const bool ends = read.range.end == piece.stored.end || piece.stored.end == place.end;
  if (!only_this || !begins || !ends) return std::nullopt;
  const std::uint64_t room_begin = place.begin - rooms[number].lead;
  if (read.range.begin < room_begin ||
      !base::range_within(read.range.begin - room_begin, read.range.size(), rooms[number].size)) {
    return std::nullopt;
  }
  const DirectPlace found{number, read.range.begin - room_begin};
  const bool aligned =
      memory_alignment <= base::kPageSize && base::is_aligned(found.offset, memory_alignment);
  return aligned ? std::optional(found) : std::nullopt;
}

}  // namespace

std::vector<SliceRoom> rooms_of(const format::Index& index, std::span<const PlannedSlice> slices,
                                std::span<const ShardReads> reads) {
  std::vector<SliceRoom> rooms;
  rooms.reserve(slices.size());
  for (const PlannedSlice& slice : slices) {
    rooms.push_back({.size = slice.layout.nbytes});
    if (!slice.layout.contiguous()) continue;
    const ByteRange place = place_of(index, slice);
    const std::uint32_t shard = index.extents()[slice.extent].shard;
    const ByteRange whole =
        aligned_range(place, reads_of(reads, shard).alignment, index.shards()[shard].file_size);
    rooms.back() = {whole.size(), place.begin - whole.begin};
  }
  return rooms;
}

ScratchReads scratch_reads(const format::Index& index, const SlicePlan& plan,
                           std::span<const SliceRoom> rooms, std::uint64_t memory_alignment) {
  ScratchReads scratch;
  for (const PlannedRead& read : plan.reads) {
    if (direct_place(index, plan, read, rooms, memory_alignment)) continue;
    scratch.size = std::max(scratch.size, read.range.size());
    ++scratch.count;
  }
  return scratch;
}

Status check_chunks(const format::Index& index, ChunkChecker& checker, const PlannedPiece& piece,
                    Bytes stored) {
  const format::ExtentRow extent = index.extents()[piece.extent];
  for (std::uint32_t i = piece.chunk_first; i < piece.chunk_first + piece.chunk_count; ++i) {
    const format::ChunkRow chunk = index.chunks()[extent.chunk_first + i];
    const std::uint64_t begin = extent.offset + chunk.offset;
    WPACK_TRY(checker.check(piece.extent, i,
                            part_of(stored, piece.stored, {begin, begin + chunk.stored_size})));
  }
  return {};
}

Status copy_piece(const SlicePlan& plan, const PlannedPiece& piece, Bytes stored,
                  std::span<const MutableBytes> out) {
  if (stored.size() != piece.raw.size())
    return Error(ErrorCode::kIntegrity, "index changed while it was in use");
  for (std::uint32_t i = 0; i < piece.slice_count; ++i) {
    const std::uint32_t number = plan.by_extent[piece.slice_first + i];
    const PlannedSlice& slice = plan.slices[number];
    const ByteRange span = slice.layout.span();
    const std::uint64_t begin = std::max(piece.raw.begin, slice.base + span.begin);
    const std::uint64_t end = std::min(piece.raw.end, slice.base + span.end);
    if (begin >= end) continue;
    base::copy_slice(slice.layout, {begin - slice.base, end - slice.base},
                     stored.subspan(begin - piece.raw.begin, end - begin), out[number]);
  }
  return {};
}

SliceBatch::SliceBatch(const format::Index& index, ShardSet& shards, AccessCounters& counters,
                       AsyncReader& reader, std::uint32_t depth, MemoryBudget& memory,
                       ChunkChecker* checker, const Work& work, const ReadControl& control)
    : index_(index),
      shards_(shards),
      counters_(counters),
      memory_(memory),
      checker_(checker),
      work_(work),
      plan_(work.plan),
      memory_alignment_(reader.limits().memory_alignment),
      slots_(std::min<std::size_t>(
          {std::max(depth, 1U), plan_.reads.size(), std::max(reader.limits().max_in_flight, 1U)})),
      control_(control),
      reads_(reader, counters, control) {
  for (std::size_t i = 0; i < work.targets.size(); ++i)
    out_.push_back(work.targets[i].bytes(plan_.slices[i]));
  add_scratch();
}

SliceBatch::~SliceBatch() { reads_.stop(); }

// Of a budget, no more than a layer may take.
void SliceBatch::add_scratch() {
  const auto [size, count] = scratch_reads(index_, plan_, work_.rooms, memory_alignment_);
  if (count == 0) return;
  free_scratch_.push_back(work_.scratch);
  const std::uint64_t most = std::min<std::uint64_t>(slots_.size(), count);
  for (std::uint64_t i = 1; i < most && i < memory_.largest_layer() / size; ++i) {
    auto more = memory_.obtain_now({&size, 1}, nullptr);
    if (!more) return;
    more_scratch_.push_back(std::move(more->front()));
    free_scratch_.push_back(more_scratch_.back().bytes());
  }
}

Status SliceBatch::run() {
  do {
    WPACK_TRY(control_.tell());
    WPACK_TRY(submit());
    WPACK_ASSIGN(const auto arrived, reads_.wait());
    for (const std::uint64_t slot : arrived) WPACK_TRY(finish(slots_[slot]));
  } while (next_ < plan_.reads.size() || !reads_.empty());
  return {};
}

std::optional<MutableBytes> SliceBatch::place_for(const PlannedRead& read, Slot& slot) {
  if (const auto direct = direct_place(index_, plan_, read, work_.rooms, memory_alignment_)) {
    return work_.targets[direct->number].block->buffer.bytes().subspan(direct->offset,
                                                                       read.range.size());
  }
  if (free_scratch_.empty()) return std::nullopt;
  slot.scratch = free_scratch_.back();
  free_scratch_.pop_back();
  return slot.scratch.first(read.range.size());
}

void SliceBatch::free(Slot& slot) {
  if (!slot.scratch.empty()) free_scratch_.push_back(slot.scratch);
  slot = {};
}

// Starts reads until every slot is busy, all scratch is in use, or the engine is full.
Status SliceBatch::submit() {
  for (std::size_t i = 0; i < slots_.size() && next_ < plan_.reads.size(); ++i) {
    Slot& slot = slots_[i];
    if (slot.busy) continue;
    const PlannedRead& planned = plan_.reads[next_];
    const auto place = place_for(planned, slot);
    if (!place) return {};
    slot.read = next_;
    slot.out = *place;
    slot.busy = true;
    WPACK_ASSIGN(const CheckedShard* shard, shards_.use(planned.shard));
    WPACK_ASSIGN(slot.file, shards_.readable(*shard, shard->reading.choice.method));
    const FileRead read{slot.file, planned.range.begin, slot.out, i};
    WPACK_ASSIGN(const std::size_t accepted, reads_.submit({&read, 1}));
    if (accepted == 0) {
      free(slot);
      return {};
    }
    ++next_;
  }
  return {};
}

Status SliceBatch::finish(Slot& slot) {
  const PlannedRead& read = plan_.reads[slot.read];
  for (std::uint32_t i = 0; i < read.piece_count; ++i) {
    const PlannedPiece& piece = plan_.pieces[read.piece_first + i];
    const Bytes stored = part_of(slot.out, read.range, piece.stored);
    if (checker_ != nullptr) {
      const PhaseTimer timer(counters_, Phase::kVerify, control_.caller_waits(), "verify",
                             stored.size());
      WPACK_TRY(check_chunks(index_, *checker_, piece, stored));
    }
    if (slot.scratch.empty()) continue;
    if (Status copied = copy_piece(plan_, piece, stored, out_); !copied)
      return std::move(copied).error().in(slot.file.file->label());
  }
  free(slot);
  control_.add_read(read.range.size());
  return {};
}

}  // namespace wpack::load
