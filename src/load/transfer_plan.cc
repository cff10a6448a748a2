#include "load/transfer_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "base/align.h"
#include "base/checked_math.h"
#include "load/read_planner.h"

namespace wpack::load {
namespace {

// Bytes of one chunk that one source wants.
struct ChunkPart {
  std::uint32_t extent = 0;
  std::uint32_t chunk = 0;
  std::uint32_t source = 0;
  std::uint64_t source_offset = 0;
  std::uint64_t chunk_offset = 0;
  std::uint64_t size = 0;
};

// What validation proved is relied on, but where a changed index would cost memory or bytes.
Error index_changed() { return {ErrorCode::kIntegrity, "index changed while it was in use"}; }

// In file order: extents ascend within a shard, and shards with them.
Result<std::vector<ChunkPart>> parts_of_chunks(const format::Index& index,
                                               std::span<const TransferSource> sources) {
  std::vector<ChunkPart> parts;
  for (std::uint32_t i = 0; i < sources.size(); ++i) {
    const auto& [number, raw] = sources[i];
    if (raw.begin == raw.end) continue;
    const format::ExtentRow extent = index.extents()[number];
    const ChunkSpan span = chunks_of_range(extent, raw);
    std::uint64_t missing = raw.size();
    for (std::uint32_t chunk = span.first; chunk < span.last; ++chunk) {
      const std::uint64_t chunk_begin = std::uint64_t{chunk} << extent.chunk_log2;
      const std::uint64_t begin = std::max(raw.begin, chunk_begin);
      const std::uint64_t end =
          std::min(raw.end, chunk_begin + (std::uint64_t{1} << extent.chunk_log2));
      parts.push_back({number, chunk, i, begin - raw.begin, begin - chunk_begin, end - begin});
      missing -= end - begin;
    }
    if (missing != 0) return index_changed();
  }
  std::ranges::sort(parts, {}, [](const ChunkPart& part) {
    return std::tuple(part.extent, part.chunk, part.source);
  });
  return parts;
}

// Makes one of the parts that touch on both sides.
void join_parts(std::vector<TransferPart>& parts) {
  std::ranges::sort(parts, {}, [](const TransferPart& part) {
    return std::tuple(part.source, part.source_offset);
  });
  std::size_t kept = 0;
  for (std::size_t i = 1; i < parts.size(); ++i) {
    TransferPart& last = parts[kept];
    const TransferPart& next = parts[i];
    if (next.source == last.source && next.source_offset == last.source_offset + last.size &&
        next.piece_offset == last.piece_offset + last.size) {
      last.size += next.size;
    } else {
      parts[++kept] = next;
    }
  }
  if (!parts.empty()) parts.resize(kept + 1);
}

class TransferPlanner {
 public:
  explicit TransferPlanner(const PieceLimits& limits) : limits_(limits) {}

  // Makes room for a chunk: in the last piece if it lies close behind what that holds. Returns
  // where it begins in the piece. Errors: kInvalidArgument.
  [[nodiscard]] Result<std::uint64_t> add_chunk(const format::ExtentRow& extent,
                                                const format::ChunkRow& chunk) {
    if (!base::range_within(chunk.offset, chunk.stored_size, extent.stored_size))
      return index_changed();
    const std::uint64_t begin = extent.offset + chunk.offset;
    const std::uint64_t end = begin + chunk.stored_size;
    const ByteRange aligned{base::align_down(begin, limits_.alignment),
                            base::align_up(end, limits_.alignment)};
    if (aligned.size() > limits_.max_size) {
      return Error(
          ErrorCode::kInvalidArgument,
          fmt::format("a staging slot of {} bytes cannot hold a chunk of {} bytes at offset {}: "
                      "{} bytes would do",
                      limits_.max_size, chunk.stored_size, begin,
                      base::align_up(aligned.size(), base::kPageSize)));
    }
    if (continues(extent.shard, begin, aligned.end)) {
      pieces_.back().range.end = aligned.end;
    } else {
      finish_piece();
      pieces_.push_back({.shard = extent.shard, .range = aligned});
    }
    end_ = end;
    return begin - pieces_.back().range.begin;
  }

  [[nodiscard]] TransferPiece& piece() { return pieces_.back(); }

  [[nodiscard]] std::vector<TransferPiece> take() {
    finish_piece();
    return std::move(pieces_);
  }

 private:
  [[nodiscard]] bool continues(std::uint32_t shard, std::uint64_t begin, std::uint64_t end) const {
    if (pieces_.empty()) return false;
    const TransferPiece& last = pieces_.back();
    return shard == last.shard && begin >= end_ && begin - end_ <= kMaxGap &&
           end - last.range.begin <= limits_.max_size;
  }
  void finish_piece() {
    if (!pieces_.empty()) join_parts(pieces_.back().parts);
  }

  const PieceLimits limits_;
  std::vector<TransferPiece> pieces_;
  std::uint64_t end_ = 0;  // of the last chunk, in the file
};

}  // namespace

Result<std::vector<TransferPiece>> plan_transfer(const format::Index& index,
                                                 std::span<const TransferSource> sources,
                                                 const PieceLimits& limits) {
  WPACK_ASSIGN(const std::vector<ChunkPart> parts, parts_of_chunks(index, sources));
  TransferPlanner planner(limits);
  std::uint64_t place = 0;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const ChunkPart& part = parts[i];
    if (i == 0 || part.extent != parts[i - 1].extent || part.chunk != parts[i - 1].chunk) {
      const format::ExtentRow extent = index.extents()[part.extent];
      const format::ChunkRow chunk = index.chunks()[extent.chunk_first + part.chunk];
      WPACK_ASSIGN(place, planner.add_chunk(extent, chunk));
      planner.piece().chunks.push_back({part.extent, part.chunk, place, chunk.stored_size});
    }
    if (!base::range_within(part.chunk_offset, part.size, planner.piece().chunks.back().size))
      return index_changed();
    planner.piece().parts.push_back(
        {part.source, part.source_offset, place + part.chunk_offset, part.size});
  }
  return planner.take();
}

ByteRange whole_chunks(const format::ExtentRow& extent, ByteRange raw) noexcept {
  const std::uint64_t size = std::uint64_t{1} << extent.chunk_log2;
  const std::uint64_t begin = std::min(base::align_up(raw.begin, size), raw.end);
  const std::uint64_t end = raw.end == extent.raw_size ? raw.end : base::align_down(raw.end, size);
  return begin < end ? ByteRange{begin, end} : ByteRange{raw.end, raw.end};
}

}  // namespace wpack::load
