#include "load/slice_planner.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <tuple>
#include <utility>

#include "base/align.h"
#include "base/checked_math.h"
#include "codec/codec.h"
#include "wpack/text.h"

namespace wpack::load {
namespace {

// Adds `next`, which does not begin before the last one, to `ranges`; gaps up to `max_gap` close.
void append(std::vector<ByteRange>& ranges, ByteRange next, std::uint64_t max_gap) {
  if (!ranges.empty() &&
      (next.begin <= ranges.back().end || next.begin - ranges.back().end <= max_gap)) {
    ranges.back().end = std::max(ranges.back().end, next.end);
  } else {
    ranges.push_back(next);
  }
}

// The bytes of the tensor that a slice needs. Rows that lie close together are one range, so that
// there are no more ranges than gaps that are worth leaving out.
std::vector<ByteRange> needed_ranges(const base::SliceLayout& layout, std::uint64_t max_gap) {
  std::vector<ByteRange> row;
  for (const base::RowRun& run : layout.runs)
    append(row, {run.begin, run.begin + run.size}, max_gap);
  const std::uint64_t between_rows = layout.row_size - row.back().end + row.front().begin;
  if (layout.row_count == 1) return row;
  if (row.size() == 1 && between_rows <= max_gap) return {layout.span()};
  std::vector<ByteRange> ranges;
  for (std::uint64_t i = 0; i < layout.row_count; ++i) {
    const std::uint64_t begin = i * layout.row_size;
    for (const ByteRange& range : row)
      append(ranges, {begin + range.begin, begin + range.end}, max_gap);
  }
  return ranges;
}

class Planner {
 public:
  Planner(const format::Index& index, std::vector<PlannedSlice> slices,
          const SlicePlanOptions& options)
      : index_(index), options_(options) {
    plan_.slices = std::move(slices);
  }

  [[nodiscard]] Result<SlicePlan> run() {
    sort_by_extent();
    const std::vector<std::uint32_t>& order = plan_.by_extent;
    for (std::uint32_t first = 0, last = 0; first < order.size(); first = last) {
      while (last < order.size() && slice(last).extent == slice(first).extent) ++last;
      WPACK_TRY(add_extent(first, last - first));
    }
    for (std::uint32_t i = 0; i < plan_.pieces.size(); ++i) add_to_reads(i);
    plan_.cost.read_count = plan_.reads.size();
    for (const PlannedRead& read : plan_.reads) plan_.cost.read_bytes += read.range.size();
    return std::move(plan_);
  }

 private:
  [[nodiscard]] const PlannedSlice& slice(std::uint32_t place) const {
    return plan_.slices[plan_.by_extent[place]];
  }

  void sort_by_extent() {
    for (std::uint32_t i = 0; i < plan_.slices.size(); ++i) {
      if (plan_.slices[i].layout.nbytes > 0) plan_.by_extent.push_back(i);
    }
    std::ranges::stable_sort(plan_.by_extent, {}, [&](std::uint32_t i) {
      return std::pair(plan_.slices[i].extent, plan_.slices[i].base);
    });
    for (std::uint32_t i = 0; i < plan_.by_extent.size(); ++i) {
      const bool again = i > 0 && slice(i).extent == slice(i - 1).extent &&
                         slice(i).base == slice(i - 1).base &&
                         slice(i).layout == slice(i - 1).layout;
      if (!again) plan_.cost.needed_bytes += slice(i).layout.nbytes;
    }
  }

  // The range of a read that brings `stored` in.
  [[nodiscard]] ByteRange read_range(std::uint32_t shard, ByteRange stored) const {
    return aligned_range(stored, reads_of(options_.reads, shard).alignment,
                         index_.shards()[shard].file_size);
  }

  // Plans one extent, of which by_extent[first, first + count) need something.
  [[nodiscard]] Status add_extent(std::uint32_t first, std::uint32_t count) {
    const std::uint32_t number = slice(first).extent;
    const format::ExtentRow extent = index_.extents()[number];
    const codec::Codec* codec = codec::find_codec(extent.codec);
    const bool whole_chunks = options_.whole_chunks || codec == nullptr || !codec->is_identity();
    const std::uint64_t unit = whole_chunks ? std::uint64_t{1} << extent.chunk_log2 : 1;
    std::vector<ByteRange> all;
    for (std::uint32_t i = first; i < first + count; ++i) {
      for (const ByteRange& range : needed_ranges(slice(i).layout, options_.max_gap)) {
        const std::uint64_t begin = slice(i).base + range.begin;
        const std::uint64_t end = slice(i).base + range.end;
        if (end > extent.raw_size) return index_changed();
        all.push_back(
            {base::align_down(begin, unit), std::min(base::align_up(end, unit), extent.raw_size)});
      }
    }
    std::ranges::sort(all, {}, [](const ByteRange& range) { return range.begin; });
    std::vector<ByteRange> ranges;
    for (const ByteRange& range : all) append(ranges, range, options_.max_gap);
    PlannedPiece piece{.extent = number, .slice_first = first, .slice_count = count};
    for (const ByteRange& raw : ranges) {
      if (whole_chunks) {
        WPACK_TRY(add_chunks(extent, chunks_of_range(extent, raw), piece));
      } else {
        WPACK_TRY(add_bytes(extent, raw, piece));
      }
    }
    return {};
  }

  // Cuts at aligned places of the file.
  [[nodiscard]] Status add_bytes(const format::ExtentRow& extent, ByteRange raw,
                                 PlannedPiece piece) {
    const auto [align, max_size] = reads_of(options_.reads, extent.shard);
    const std::uint64_t end = extent.offset + raw.end;
    std::uint64_t begin = extent.offset + raw.begin;
    while (begin < end) {
      const std::uint64_t cut =
          base::align_down(begin, align) + std::max(align, base::align_down(max_size, align));
      piece.stored = {begin, std::min(cut, end)};
      piece.raw = {begin - extent.offset, piece.stored.end - extent.offset};
      plan_.pieces.push_back(piece);
      begin = piece.stored.end;
    }
    return {};
  }

  // Cuts between chunks.
  [[nodiscard]] Status add_chunks(const format::ExtentRow& extent, ChunkSpan chunks,
                                  PlannedPiece piece) {
    const std::uint64_t stored_end = extent.offset + extent.stored_size;
    const std::uint64_t max_size = reads_of(options_.reads, extent.shard).max_size;
    piece.chunk_count = 0;
    for (std::uint32_t i = chunks.first; i < chunks.last; ++i) {
      const format::ChunkRow chunk = index_.chunks()[extent.chunk_first + i];
      const ByteRange stored{extent.offset + chunk.offset,
                             extent.offset + chunk.offset + chunk.stored_size};
      if (chunk.stored_size == 0 || stored.end > stored_end ||
          (piece.chunk_count > 0 && stored.begin < piece.stored.end)) {
        return index_changed();
      }
      if (piece.chunk_count > 0 &&
          read_range(extent.shard, {piece.stored.begin, stored.end}).size() > max_size) {
        plan_.pieces.push_back(piece);
        piece.chunk_count = 0;
      }
      const std::uint64_t raw_begin = std::uint64_t{i} << extent.chunk_log2;
      if (piece.chunk_count == 0) {
        piece.chunk_first = i;
        piece.stored.begin = stored.begin;
        piece.raw.begin = raw_begin;
      }
      ++piece.chunk_count;
      piece.stored.end = stored.end;
      piece.raw.end =
          std::min(raw_begin + (std::uint64_t{1} << extent.chunk_log2), extent.raw_size);
    }
    if (piece.chunk_count > 0) plan_.pieces.push_back(piece);
    return {};
  }

  // Lets piece `number` be read along with the one before it, or begins another read.
  void add_to_reads(std::uint32_t number) {
    const PlannedPiece& piece = plan_.pieces[number];
    const std::uint32_t shard = index_.extents()[piece.extent].shard;
    const auto [begin, end] = read_range(shard, piece.stored);
    if (!plan_.reads.empty()) {
      PlannedRead& last = plan_.reads.back();
      const bool close = last.shard == shard && begin >= last.range.begin &&
                         (begin <= last.range.end || begin - last.range.end <= options_.max_gap);
      if (close && end - last.range.begin <= reads_of(options_.reads, shard).max_size) {
        last.range.end = std::max(last.range.end, end);
        ++last.piece_count;
        return;
      }
    }
    plan_.reads.push_back(
        {.shard = shard, .range = {begin, end}, .piece_first = number, .piece_count = 1});
  }

  [[nodiscard]] static Error index_changed() {
    return {ErrorCode::kIntegrity, "index changed while it was in use"};
  }

  const format::Index& index_;
  const SlicePlanOptions& options_;
  SlicePlan plan_;
};

void append_requests(std::vector<SliceRequest>& requests, std::uint32_t first,
                     std::uint32_t count) {
  requests.reserve(requests.size() + count);
  for (std::uint32_t i = 0; i < count; ++i) requests.push_back({.tensor = first + i});
}

}  // namespace

std::vector<SliceRequest> request_everything(const format::Index& index) {
  std::vector<SliceRequest> requests;
  append_requests(requests, 0, index.tensors().size());
  return requests;
}

std::vector<SliceRequest> request_layer(const format::Index& index, std::uint32_t layer) {
  const format::LayerRow row = index.layers()[layer];
  std::vector<SliceRequest> requests;
  append_requests(requests, row.tensor_first, row.tensor_count);
  return requests;
}

Result<PlannedSlice> plan_slice(const format::Index& index, const SliceRequest& request) {
  if (request.tensor >= index.tensors().size())
    return Error(ErrorCode::kNotFound, fmt::format("has no tensor '{}'", request.tensor));
  const format::TensorRow tensor = index.tensors()[request.tensor];
  const auto label = [&] { return fmt::format("tensor '{}'", escape_name(index.name_of(tensor))); };
  const DTypeInfo* dtype = find_dtype(static_cast<DType>(tensor.dtype));
  if (dtype == nullptr) {
    return Error(ErrorCode::kBadInput, fmt::format("{} has element type {}, which this version "
                                                   "does not know",
                                                   label(), tensor.dtype));
  }
  auto layout = base::layout_of_slice(*dtype, index.shape_of(tensor), request.part);
  if (!layout) return std::move(layout).error().in(label());
  PlannedSlice slice{.tensor = request.tensor, .layout = *std::move(layout)};
  if (slice.layout.nbytes > 0) {
    slice.extent = tensor.extent;
    slice.base = tensor.byte_offset;
  }
  return slice;
}

Result<SlicePlan> plan_reads(const format::Index& index, std::vector<PlannedSlice> slices,
                             const SlicePlanOptions& options) {
  return Planner(index, std::move(slices), options).run();
}

}  // namespace wpack::load
