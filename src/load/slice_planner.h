// What to read for slices of tensors, and what to do with it, as pure functions of the index:
// nothing here touches a file.
//
// A plan is a list of reads in file order. What a read brings in is cut into pieces, each of them
// bytes of one extent: a piece is checked against the checksums of its chunks, decoded from its
// stored bytes to its raw bytes by the extent's codec, and then copied to every slice that needs
// some of it (base/slice_layout.h). Codecs that only decode whole chunks get whole chunks.
//
// How much is read beyond what is needed: with
//   A  the largest alignment of a shard, less 1,
//   U  the largest unit of the extents, less 1: a chunk where whole chunks are wanted, else 1 byte,
//   G  SlicePlanOptions::max_gap,      M  the smallest ShardReads::max_size,
// and of every slice that needs `needed` bytes in `runs` unbroken runs, which from the first to the
// last byte span `span` bytes,
//   edges = 2 A + 2 U + G
//   sum   = the sum over all slices of min(needed + runs * edges, span + edges)
//   read_bytes <= sum + A * (1 + 2 * sum / M)
// The last term is for reads that are cut at M inside an aligned block, which both then read.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/slice_layout.h"
#include "format/index.h"
#include "load/read_planner.h"
#include "wpack/error.h"
#include "wpack/tensor_slice.h"
#include "wpack/types.h"

namespace wpack::load {

// Gaps between needed bytes of up to this many bytes are read along: about what a fast disk
// transfers in the time of another request.
inline constexpr std::uint64_t kMaxSliceGap = std::uint64_t{16} << 10;

struct SlicePlanOptions {
  // By number of the shard; none: the default. A read is never cut below one aligned block or the
  // blocks that one chunk lies in.
  std::span<const ShardReads> reads = {};
  std::uint64_t max_gap = kMaxSliceGap;
  // Read whole chunks, so that their checksums can be checked.
  bool whole_chunks = false;
};

// A slice as it is planned.
struct PlannedSlice {
  std::uint32_t tensor = 0;
  std::uint32_t extent = format::kNone;  // none: it has no bytes
  std::uint64_t base = 0;                // of the tensor, in the extent's raw bytes
  base::SliceLayout layout = {};
  friend bool operator==(const PlannedSlice&, const PlannedSlice&) = default;
};

// Bytes of one extent inside one read.
struct PlannedPiece {
  std::uint32_t extent = 0;
  std::uint32_t chunk_first = 0;
  std::uint32_t chunk_count = 0;  // 0: some bytes of a RAW extent, no whole chunks
  ByteRange stored = {};          // in the shard file, inside the read
  ByteRange raw = {};             // what it decodes to, in the extent's raw bytes
  std::uint32_t slice_first = 0;  // needed by SlicePlan::by_extent[slice_first ...], some of them
  std::uint32_t slice_count = 0;
  friend bool operator==(const PlannedPiece&, const PlannedPiece&) = default;
};

struct PlannedRead {
  std::uint32_t shard = 0;
  ByteRange range;  // in the shard file, aligned, but for its end at the end of the file
  std::uint32_t piece_first = 0;
  std::uint32_t piece_count = 0;
  friend bool operator==(const PlannedRead&, const PlannedRead&) = default;
};

struct SlicePlan {
  std::vector<PlannedSlice> slices;      // as they were requested
  std::vector<std::uint32_t> by_extent;  // those that have bytes, by extent and place in it
  std::vector<PlannedRead> reads;        // in file order
  std::vector<PlannedPiece> pieces;      // of the reads
  ReadCost cost;
};

// Requests for all of every tensor; of the tensors of one layer.
[[nodiscard]] std::vector<SliceRequest> request_everything(const format::Index& index);
[[nodiscard]] std::vector<SliceRequest> request_layer(const format::Index& index,
                                                      std::uint32_t layer);

// Lays out one request. Errors: kNotFound (no such tensor), kInvalidArgument (base/slice_layout.h),
// with the tensor's name, kBadInput (an element type that this version does not know).
[[nodiscard]] Result<PlannedSlice> plan_slice(const format::Index& index,
                                              const SliceRequest& request);

// Plans the reading of `slices`. Errors: kIntegrity (the index changed while it was in use).
[[nodiscard]] Result<SlicePlan> plan_reads(const format::Index& index,
                                           std::vector<PlannedSlice> slices,
                                           const SlicePlanOptions& options);

}  // namespace wpack::load
