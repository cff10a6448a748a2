#include "pack/shard_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>

#include "format/envelope.h"

namespace wpack::packing {
namespace {

using format::ChunkRow;
using format::ExtentRow;
using format::kEnvelopeSize;
using format::kNone;

// Dirty pages are handed to the disk in runs of this size, so that it works while we still read.
constexpr std::uint64_t kWritebackRun = std::uint64_t{8} << 20;
constexpr std::uint64_t kCompareSize = std::uint64_t{1} << 20;
// Different contents with one key can be made on purpose, any number of them: comparing each with
// all others would take time in the square of their number.
constexpr int kMaxCompared = 4;

}  // namespace

ShardWriter::ShardWriter(const os::UniqueFd& directory, std::string label, std::uint8_t chunk_log2)
    : directory_(directory), label_(std::move(label)), chunk_log2_(chunk_log2) {}

Status ShardWriter::start_layer(std::uint32_t layer, std::uint32_t shard,
                                std::uint64_t estimated_size) {
  layer_ = layer;
  layer_content_.clear();
  if (layer != kNone) {
    written_.layer_ranges.emplace_back();
    written_.layer_extents.push_back(0);
  }
  if (estimated_size == 0) return {};
  if (planned_shard_ != kNone && shard != planned_shard_) WPACK_TRY(close_shard());
  planned_shard_ = shard;
  if (!shard_.valid()) WPACK_TRY(open_shard(estimated_size));
  cursor_.start_layer();
  return {};
}

Status ShardWriter::open_shard(std::uint64_t estimated_size) {
  const auto number = static_cast<std::uint32_t>(written_.shards.size());
  const std::string name = format::shard_file_name(number);
  WPACK_ASSIGN(shard_, os::File::create_at(directory_, name, fmt::format("{}/{}", label_, name)));
  shard_first_extent_ = written_.extents.size();
  cursor_ = ShardCursor{};
  dirty_end_ = kEnvelopeSize;
  writeback_end_ = kEnvelopeSize;
  return shard_.reserve(kEnvelopeSize + estimated_size);
}

Status ShardWriter::close_shard() {
  // A shard whose extents were all found elsewhere takes the next planned shard's instead.
  if (written_.extents.size() == shard_first_extent_) return {};
  const ExtentRow& last = written_.extents.back();
  format::ShardRow row;
  row.data_end = last.offset + last.stored_size;
  row.file_size = base::align_up(row.data_end, base::kPageSize);
  // Shrinking first makes the padding behind the data zero, whatever was rolled back there.
  WPACK_TRY(shard_.truncate(row.data_end));
  WPACK_TRY(shard_.truncate(row.file_size));
  shard_.start_writeback(writeback_end_, row.file_size - writeback_end_);
  written_.shards.push_back(row);
  shard_ = os::File{};
  return {};
}

Status ShardWriter::start_extent(std::uint64_t size) {
  before_extent_ = cursor_;
  const bool first = written_.extents.size() == shard_first_extent_;
  const std::uint64_t gap_begin =
      first ? kEnvelopeSize : written_.extents.back().offset + written_.extents.back().stored_size;
  extent_offset_ = cursor_.place(size);
  extent_size_ = size;
  extent_fill_ = 0;
  return fill_gap(gap_begin, extent_offset_);
}

// Padding is a hole that reads as zeros, unless an extent that was rolled back lies there.
Status ShardWriter::fill_gap(std::uint64_t begin, std::uint64_t end) {
  static constexpr std::array<std::byte, base::kPageSize> kZeros{};
  end = std::min(end, dirty_end_);
  while (begin < end) {
    const std::uint64_t size = std::min<std::uint64_t>(end - begin, kZeros.size());
    WPACK_TRY(shard_.write_all(begin, Bytes(kZeros).first(size)));
    begin += size;
  }
  return {};
}

Status ShardWriter::append(Bytes piece) {
  const std::uint64_t begin = extent_offset_ + extent_fill_;
  WPACK_TRY(shard_.write_all(begin, piece));
  extent_fill_ += piece.size();
  const std::uint64_t end = begin + piece.size();
  dirty_end_ = std::max(dirty_end_, end);
  if (end >= writeback_end_ + kWritebackRun) {
    shard_.start_writeback(writeback_end_, end - writeback_end_);
    writeback_end_ = end;
  }
  return {};
}

Result<std::uint32_t> ShardWriter::finish_extent(const ExtentHashes& hashes) {
  const ContentKey key = {extent_size_, hashes.key.high, hashes.key.low};
  // An attachment shares extents with attachments alone: those of tensors belong to a layer.
  const bool large = layer_ != kNone && extent_size_ >= kLargeExtent;
  ContentMap& known = large ? large_content_ : layer_content_;
  WPACK_ASSIGN(const std::optional<std::uint32_t> equal, find_equal(known, key));
  if (equal) {
    cursor_ = before_extent_;
    writeback_end_ = std::min(writeback_end_, extent_offset_);
    written_.shared_bytes += extent_size_;
    return *equal;
  }
  keep_extent(hashes);
  const auto row = static_cast<std::uint32_t>(written_.extents.size() - 1);
  known.emplace(key, row);
  return row;
}

void ShardWriter::keep_extent(const ExtentHashes& hashes) {
  ExtentRow extent;
  extent.offset = extent_offset_;
  extent.stored_size = extent_size_;
  extent.raw_size = extent_size_;
  extent.shard = static_cast<std::uint32_t>(written_.shards.size());
  extent.layer = layer_;
  extent.chunk_first = static_cast<std::uint32_t>(written_.chunks.size());
  extent.chunk_count = static_cast<std::uint32_t>(hashes.chunks.size());
  extent.alignment_log2 = alignment_log2_of(extent_size_);
  extent.chunk_log2 = chunk_log2_;
  const std::uint64_t chunk_size = std::uint64_t{1} << chunk_log2_;
  std::uint64_t offset = 0;
  for (const std::uint64_t hash : hashes.chunks) {
    ChunkRow& chunk = written_.chunks.emplace_back();
    chunk.offset = offset;
    chunk.hash = hash;
    chunk.stored_size = static_cast<std::uint32_t>(std::min(chunk_size, extent_size_ - offset));
    offset += chunk_size;
  }
  written_.extents.push_back(extent);
  if (layer_ != kNone) note_layer_extent(extent.offset, extent.stored_size);
}

void ShardWriter::note_layer_extent(std::uint64_t offset, std::uint64_t size) {
  ByteRange& range = written_.layer_ranges.back();
  if (written_.layer_extents.back()++ == 0) range.begin = base::align_down(offset, base::kPageSize);
  range.end = base::align_up(offset + size, base::kPageSize);
}

Result<std::optional<std::uint32_t>> ShardWriter::find_equal(const ContentMap& candidates,
                                                             const ContentKey& key) {
  const auto [begin, end] = candidates.equal_range(key);
  int compared = 0;
  for (auto at = begin; at != end && compared < kMaxCompared; ++at, ++compared) {
    WPACK_ASSIGN(const bool equal, equals_pending(written_.extents[at->second]));
    if (equal) return std::optional(at->second);
  }
  return std::optional<std::uint32_t>();
}

Result<bool> ShardWriter::equals_pending(const ExtentRow& extent) {
  const std::uint64_t piece = std::min(kCompareSize, extent_size_);
  compare_buffers_.resize(std::max<std::size_t>(compare_buffers_.size(), 2 * piece));
  os::File older;
  if (extent.shard != written_.shards.size()) {
    const std::string name = format::shard_file_name(extent.shard);
    WPACK_ASSIGN(older,
                 os::File::open_read_at(directory_, name, fmt::format("{}/{}", label_, name)));
  }
  const os::File& file = older.valid() ? older : shard_;
  for (std::uint64_t done = 0; done < extent_size_; done += piece) {
    const std::uint64_t size = std::min(piece, extent_size_ - done);
    const MutableBytes mine = MutableBytes(compare_buffers_).first(size);
    const MutableBytes theirs = MutableBytes(compare_buffers_).subspan(piece, size);
    WPACK_TRY(shard_.read_exact(extent_offset_ + done, mine));
    WPACK_TRY(file.read_exact(extent.offset + done, theirs));
    if (std::memcmp(mine.data(), theirs.data(), size) != 0) return false;
  }
  return true;
}

Result<WrittenShards> ShardWriter::finish() {
  if (shard_.valid()) {
    const bool empty = written_.extents.size() == shard_first_extent_;
    WPACK_TRY(close_shard());
    if (empty) {
      shard_ = os::File{};
      WPACK_TRY(os::remove_file_at(
          directory_, format::shard_file_name(static_cast<std::uint32_t>(written_.shards.size()))));
    }
  }
  return std::move(written_);
}

}  // namespace wpack::packing
