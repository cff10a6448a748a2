#include "load/read_planner.h"

#include <algorithm>

namespace wpack::load {
namespace {

// True if `next` can be read along with what ends at `end`. A layer's own extents and those that
// it shares stay apart, so that pinning the one does not pin the other.
bool continues(const format::ExtentRow& before, std::uint64_t end, const format::ExtentRow& next) {
  return next.shard == before.shard && next.layer == before.layer && next.offset >= end &&
         next.offset - end <= kMaxGap;
}

}  // namespace

std::vector<std::uint32_t> extents_of_layer(const format::Index& index, std::uint32_t layer) {
  const format::LayerRow row = index.layers()[layer];
  std::vector<std::uint32_t> extents;
  extents.reserve(std::size_t{row.extent_count} + row.foreign_count);
  for (std::uint32_t i = 0; i < row.extent_count; ++i) extents.push_back(row.extent_first + i);
  for (std::uint32_t i = 0; i < row.foreign_count; ++i)
    extents.push_back(index.foreign()[row.foreign_first + i]);
  std::ranges::sort(extents);
  return extents;
}

std::vector<ExtentRun> plan_runs(const format::Index& index, std::span<const std::uint32_t> extents,
                                 std::span<const ShardReads> reads) {
  std::vector<ExtentRun> runs;
  format::ExtentRow before;
  std::uint64_t end = 0;
  for (std::uint32_t i = 0; i < extents.size(); ++i) {
    const format::ExtentRow extent = index.extents()[extents[i]];
    const bool begins = runs.empty() || !continues(before, end, extent);
    if (begins) runs.push_back({.shard = extent.shard, .range = {}, .first = i, .count = 0});
    end = extent.offset + extent.stored_size;
    ExtentRun& run = runs.back();
    run.range = aligned_range({begins ? extent.offset : run.range.begin, end},
                              reads_of(reads, extent.shard).alignment,
                              index.shards()[extent.shard].file_size);
    ++run.count;
    before = extent;
  }
  return runs;
}

std::vector<ByteRange> split_into_pieces(ByteRange range, std::uint64_t piece_size) {
  std::vector<ByteRange> pieces;
  while (range.begin < range.end) {
    const std::uint64_t size = std::min(piece_size, range.size());
    pieces.push_back({range.begin, range.begin + size});
    range.begin += size;
  }
  return pieces;
}

ChunkSpan chunks_of_range(const format::ExtentRow& extent, ByteRange raw) noexcept {
  const std::uint64_t last = ((raw.end - 1) >> extent.chunk_log2) + 1;
  return {static_cast<std::uint32_t>(raw.begin >> extent.chunk_log2),
          static_cast<std::uint32_t>(std::min<std::uint64_t>(last, extent.chunk_count))};
}

}  // namespace wpack::load
