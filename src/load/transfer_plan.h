// How bytes of extents reach memory that the caller chose, as pure functions of the index: what to
// read in which pieces, which chunks to check in them, and which of their bytes go where.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "format/index.h"
#include "wpack/error.h"
#include "wpack/types.h"

namespace wpack::load {

// Bytes that are wanted: [begin, end) of the raw bytes of a RAW extent.
struct TransferSource {
  std::uint32_t extent = 0;
  ByteRange raw;
  friend bool operator==(const TransferSource&, const TransferSource&) = default;
};

// Bytes of a piece that are wanted.
struct TransferPart {
  std::uint32_t source = 0;         // of the sources that were planned
  std::uint64_t source_offset = 0;  // from the first byte that is wanted of it
  std::uint64_t piece_offset = 0;
  std::uint64_t size = 0;
  friend bool operator==(const TransferPart&, const TransferPart&) = default;
};

// One chunk that lies in a piece with all its bytes.
struct PieceChunk {
  std::uint32_t extent = 0;
  std::uint32_t chunk = 0;  // of the extent
  std::uint64_t piece_offset = 0;
  std::uint64_t size = 0;
  friend bool operator==(const PieceChunk&, const PieceChunk&) = default;
};

// One read.
struct TransferPiece {
  std::uint32_t shard = 0;
  ByteRange range;  // in the shard file
  std::vector<PieceChunk> chunks = {};
  std::vector<TransferPart> parts = {};
  friend bool operator==(const TransferPiece&, const TransferPiece&) = default;
};

struct PieceLimits {
  std::uint64_t max_size = 0;   // bytes of a piece
  std::uint64_t alignment = 1;  // of a piece's place and size; a power of two
};

// Returns the pieces, in file order, that hold every chunk of which a byte is wanted, each chunk
// once. Parts that lie beside each other in the piece and at the destination are one.
// Errors: kInvalidArgument (a chunk does not fit into a piece: names the size that would do),
// kIntegrity (a mapped index was changed meanwhile).
[[nodiscard]] Result<std::vector<TransferPiece>> plan_transfer(
    const format::Index& index, std::span<const TransferSource> sources, const PieceLimits& limits);

// The part of `raw` that whole chunks of `extent` make up; empty (at raw.end) if there are none.
[[nodiscard]] ByteRange whole_chunks(const format::ExtentRow& extent, ByteRange raw) noexcept;

}  // namespace wpack::load
