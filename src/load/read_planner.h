// What to bring into memory, as pure functions of the index: nothing here touches a file.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "format/index.h"
#include "wpack/types.h"

namespace wpack::load {

// Extents of one layer that lie close together in one shard and are brought in together.
struct ExtentRun {
  std::uint32_t shard = 0;
  ByteRange range;          // in the shard file, whole pages
  std::uint32_t first = 0;  // [first, first + count) of the extents that were planned
  std::uint32_t count = 0;
  friend bool operator==(const ExtentRun&, const ExtentRun&) = default;
};

// Padding of up to this many bytes between two extents is read along: cheaper than another request.
inline constexpr std::uint64_t kMaxGap = std::uint64_t{64} << 10;

// Returns the extents that the layer needs, ascending: its own and those that it shares.
[[nodiscard]] std::vector<std::uint32_t> extents_of_layer(const format::Index& index,
                                                          std::uint32_t layer);

// Groups `extents` (ascending) into runs, in file order.
[[nodiscard]] std::vector<ExtentRun> plan_runs(const format::Index& index,
                                               std::span<const std::uint32_t> extents);

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
