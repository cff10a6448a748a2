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

}  // namespace

Result<std::vector<SliceTarget>> allocate_targets(const std::shared_ptr<MemoryBudget>& memory,
                                                  const format::Index& index,
                                                  std::span<const PlannedSlice> slices,
                                                  const ReadControl& control) {
  std::vector<std::uint64_t> leads(slices.size());
  std::vector<std::uint64_t> sizes(slices.size());
  for (std::size_t i = 0; i < slices.size(); ++i) {
    sizes[i] = slices[i].layout.nbytes;
    if (!slices[i].layout.contiguous()) continue;
    const ByteRange place = place_of(index, slices[i]);
    const std::uint64_t begin = base::align_down(place.begin, base::kPageSize);
    leads[i] = place.begin - begin;
    sizes[i] = base::align_up(place.end, base::kPageSize) - begin;
  }
  // Before there is memory for them: only the end of a block says that memory has come back.
  std::vector<SliceTarget> targets;
  targets.reserve(slices.size());
  for (const std::uint64_t lead : leads)
    targets.push_back({std::make_shared<Block>(HostBuffer(), ByteRange{}, memory), lead});
  WPACK_ASSIGN(auto buffers, memory->obtain(sizes, control, nullptr));
  for (std::size_t i = 0; i < slices.size(); ++i) targets[i].block->buffer = std::move(buffers[i]);
  return targets;
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
                       AsyncReader& reader, MemoryBudget& memory, ChunkChecker* checker,
                       const SlicePlan& plan, std::span<const SliceTarget> targets,
                       const ReadControl& control)
    : index_(index),
      shards_(shards),
      counters_(counters),
      memory_(memory),
      checker_(checker),
      plan_(plan),
      targets_(targets),
      slots_(std::min(
          {kSlots, plan.reads.size(), std::size_t{std::max(reader.limits().max_in_flight, 1U)}})),
      memory_alignment_(reader.limits().memory_alignment),
      control_(control),
      reads_(reader, counters, control) {
  for (std::size_t i = 0; i < targets.size(); ++i) out_.push_back(targets[i].bytes(plan.slices[i]));
}

SliceBatch::~SliceBatch() {
  reads_.stop();
  slots_.clear();
  memory_.notify();  // what the reads had to themselves is free
}

Status SliceBatch::run() {
  do {
    WPACK_TRY(control_.check());
    WPACK_TRY(submit());
    WPACK_ASSIGN(const auto arrived, reads_.wait());
    for (const std::uint64_t slot : arrived) WPACK_TRY(finish(slots_[slot]));
  } while (next_ < plan_.reads.size() || !reads_.empty());
  return {};
}

// A read that brings in nothing but bytes of one unbroken slice, or what lies in the first or last
// aligned block beside them, ends where the slice wants them. No other read touches these blocks of
// the target.
std::optional<MutableBytes> SliceBatch::direct_target(const PlannedRead& read) const {
  if (read.piece_count != 1) return std::nullopt;
  const PlannedPiece& piece = plan_.pieces[read.piece_first];
  if (piece.slice_count != 1) return std::nullopt;
  const std::uint32_t number = plan_.by_extent[piece.slice_first];
  const PlannedSlice& slice = plan_.slices[number];
  if (!slice.layout.contiguous()) return std::nullopt;
  const ByteRange place = place_of(index_, slice);
  const bool only_this = piece.stored.begin >= place.begin && piece.stored.end <= place.end;
  const bool begins = read.range.begin == piece.stored.begin || piece.stored.begin == place.begin;
  const bool ends = read.range.end == piece.stored.end || piece.stored.end == place.end;
  if (!only_this || !begins || !ends) return std::nullopt;
  const std::uint64_t buffer_begin = place.begin - targets_[number].lead;
  const MutableBytes buffer = targets_[number].block->buffer.bytes();
  if (read.range.begin < buffer_begin ||
      !base::range_within(read.range.begin - buffer_begin, read.range.size(), buffer.size())) {
    return std::nullopt;
  }
  const MutableBytes out = buffer.subspan(read.range.begin - buffer_begin, read.range.size());
  if (reinterpret_cast<std::uintptr_t>(out.data()) % memory_alignment_ != 0) return std::nullopt;
  return out;
}

Status SliceBatch::fill(Slot& slot, std::uint32_t number) {
  const PlannedRead& read = plan_.reads[number];
  slot.read = number;
  WPACK_ASSIGN(const CheckedShard* shard, shards_.use(read.shard));
  WPACK_ASSIGN(slot.file, shards_.readable(*shard, shard->reading.choice.method));
  const auto direct = direct_target(read);
  slot.direct = direct.has_value();
  if (slot.direct) {
    slot.out = *direct;
  } else {
    if (slot.scratch.bytes().size() < read.range.size()) {
      slot.scratch = {};
      const std::uint64_t size = read.range.size();
      // Without the deadline: the memory may be what this call holds, which nobody gives back.
      const ReadControl now{.cancelled = control_.cancelled};
      auto scratch = memory_.obtain({&size, 1}, now, nullptr);
      if (!scratch) return std::move(scratch).error().in(slot.file.file->label());
      slot.scratch = std::move(scratch->front());
    }
    slot.out = slot.scratch.bytes().first(read.range.size());
  }
  slot.busy = true;
  return {};
}

// Starts reads until every slot is busy or the engine is full.
Status SliceBatch::submit() {
  for (std::size_t i = 0; i < slots_.size() && next_ < plan_.reads.size(); ++i) {
    if (slots_[i].busy) continue;
    WPACK_TRY(fill(slots_[i], next_));
    const FileRead read{slots_[i].file, plan_.reads[next_].range.begin, slots_[i].out, i};
    WPACK_ASSIGN(const std::size_t accepted, reads_.submit({&read, 1}));
    if (accepted == 0) {
      slots_[i].busy = false;
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
    if (slot.direct) continue;
    if (Status copied = copy_piece(plan_, piece, stored, out_); !copied)
      return std::move(copied).error().in(slot.file.file->label());
  }
  slot.busy = false;
  return {};
}

}  // namespace wpack::load
