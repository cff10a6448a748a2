// What to bring into memory, as pure functions of the index: nothing here touches a file.
//
// How much plan_runs() reads beyond the stored bytes of the extents: in every run at most kMaxGap
// before each extent but the first, and one byte less than the shard's alignment at either end.
// Nothing is read past the end of a file: where its size is not aligned, a run that ends there is
// not either.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "base/align.h"
#include "format/index.h"
#include "wpack/types.h"

namespace wpack::load {

// What reads of one shard keep to.
struct ShardReads {
  std::uint64_t alignment = base::kPageSize;        // of their place and size; a power of two
  std::uint64_t max_size = std::uint64_t{2} << 20;  // larger ones are cut
  friend bool operator==(const ShardReads&, const ShardReads&) = default;
};

// Returns what `reads` (by number of the shard) say of `shard`, or the default.
[[nodiscard]] constexpr ShardReads reads_of(std::span<const ShardReads> reads,
                                            std::uint32_t shard) noexcept {
  return shard < reads.size() ? reads[shard] : ShardReads();
}

// Extents of one layer that lie close together in one shard and are brought in together.
struct ExtentRun {
  std::uint32_t shard = 0;
  ByteRange range;          // in the shard file, aligned, but for its end at the end of the file
  std::uint32_t first = 0;  // [first, first + count) of the extents that were planned
  std::uint32_t count = 0;
  friend bool operator==(const ExtentRun&, const ExtentRun&) = default;
};

// Padding of up to this many bytes between two extents is read along: cheaper than another request.
inline constexpr std::uint64_t kMaxGap = std::uint64_t{64} << 10;

// Returns the extents that the layer needs, ascending: its own and those that it shares.
[[nodiscard]] std::vector<std::uint32_t> extents_of_layer(const format::Index& index,
                                                          std::uint32_t layer);

// Groups `extents` (ascending) into runs, in file order. Of `reads` (by number of the shard; none:
// the default) the alignment counts, not the size.
[[nodiscard]] std::vector<ExtentRun> plan_runs(const format::Index& index,
                                               std::span<const std::uint32_t> extents,
                                               std::span<const ShardReads> reads);

// The smallest range that holds `range`, and begins and ends at multiples of `alignment` or at the
// end of a file of `file_size` bytes.
[[nodiscard]] constexpr ByteRange aligned_range(ByteRange range, std::uint64_t alignment,
                                                std::uint64_t file_size) noexcept {
  const std::uint64_t end = std::min(base::align_up(range.end, alignment), file_size);
  return {base::align_down(range.begin, alignment), std::max(range.end, end)};
}

// Cuts `range` into pieces of `piece_size` bytes, the last one shorter.
[[nodiscard]] std::vector<ByteRange> split_into_pieces(ByteRange range, std::uint64_t piece_size);

// The chunks [first, last) of an extent that hold its raw bytes [begin, end), begin < end.
struct ChunkSpan {
  std::uint32_t first = 0;
  std::uint32_t last = 0;
  friend bool operator==(const ChunkSpan&, const ChunkSpan&) = default;
};
[[nodiscard]] ChunkSpan chunks_of_range(const format::ExtentRow& extent, ByteRange raw) noexcept;

}  // namespace wpack::load
