#include "load/container_scan.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "codec/codec.h"
#include "format/index_builder.h"
#include "format/overlap.h"
#include "load/chunk_checker.h"
#include "load/envelope_reader.h"
#include "load/read_planner.h"
#include "wpack/text.h"

namespace wpack::load {
namespace {

constexpr std::uint64_t kProgressStep = std::uint64_t{4} << 20;

std::uint64_t total_size(const format::Index& index) {
  std::uint64_t size = 0;
  for (std::uint32_t i = 0; i < index.shards().size(); ++i) size += index.shards()[i].file_size;
  return size;
}

bool decodes(const format::ExtentRow& extent) {
  const codec::Codec* codec = codec::find_codec(extent.codec);
  return codec != nullptr && codec->is_identity();
}

// The position of the first byte that is not zero, or bytes.size().
std::size_t find_nonzero(Bytes bytes) {
  static constexpr std::byte kZeros[4096] = {};
  std::size_t at = 0;
  while (at < bytes.size()) {
    const std::size_t size = std::min(bytes.size() - at, sizeof kZeros);
    if (std::memcmp(bytes.data() + at, kZeros, size) != 0) break;
    at += size;
  }
  while (at < bytes.size() && bytes[at] == std::byte{0}) ++at;
  return at;
}

Error cancelled() { return {ErrorCode::kCancelled, "verification was cancelled"}; }

// True for names that shards have: five digits and ".wps".
bool is_shard_name(std::string_view name) {
  return name.size() == 9 && name.ends_with(".wps") &&
         std::ranges::all_of(name.substr(0, 5), [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

ContainerScan::ContainerScan(const OpenedIndex& index, const ProgressCallback& progress,
                             std::uint64_t max_faults, ScanReading reading)
    : index_(index),
      rows_(index.file.index),
      progress_(progress),
      max_faults_(std::max<std::uint64_t>(max_faults, 1)),
      tensors_(tensors_by_place(rows_)),
      bytes_(index, std::move(reading)) {
  done_.total_bytes = total_size(rows_);
  report_.tensor_count = rows_.tensors().size();
}

Status ContainerScan::run() {
  check_index();
  check_empty_tensors();
  limit_overlap();
  for (std::uint32_t shard = 0; shard < rows_.shards().size() && !full(); ++shard)
    WPACK_TRY(scan_shard(shard));
  check_directory();
  return {};
}

void ContainerScan::check_index() {
  report_.checked_bytes += index_.file.envelope.file_size;
  const Uuid uuid = format::uuid_of_index(index_.file.flatbuffer);
  if (uuid == index_.file.envelope.uuid) return;
  add_fault(
      {ErrorCode::kIntegrity,
       fmt::format("{}/{}: UUID is {}, its contents say {}", index_.label, format::kIndexFileName,
                   to_string(index_.file.envelope.uuid), to_string(uuid))});
}

// They lie in no extent, so that no scan of a shard comes upon them.
void ContainerScan::check_empty_tensors() {
  const std::uint64_t hash_of_nothing = format::hash64({});
  for (std::uint32_t i = 0; i < rows_.tensors().size(); ++i) {
    const format::TensorRow tensor = rows_.tensors()[i];
    if (tensor.nbytes > 0 || tensor.hash == hash_of_nothing) continue;
    add_fault({ErrorCode::kIntegrity,
               fmt::format("{}/{}: empty tensor '{}' does not match its checksum", index_.label,
                           format::kIndexFileName, escape_name(rows_.name_of(tensor)))});
  }
}

void ContainerScan::limit_overlap() {
  format::OverlapCount overlap;
  for (std::uint32_t i = 0; i < rows_.extents().size(); ++i)
    overlap.add_payload(rows_.extents()[i].raw_size);
  for (const std::uint32_t id : tensors_) {
    const format::TensorRow tensor = rows_.tensors()[id];
    overlap.add({tensor.extent, tensor.byte_offset, tensor.nbytes});
  }
  if (!overlap.exceeded()) return;
  tensors_.clear();
  add_fault({ErrorCode::kLimit,
             fmt::format("{}/{}: its tensors overlap so much that their checksums cover {} bytes, "
                         "more than the {} that are checked; those of the chunks are",
                         index_.label, format::kIndexFileName, overlap.hashed(), overlap.limit())});
}

void ContainerScan::check_directory() {
  std::vector<std::string> names = os::list_directory(index_.directory);
  std::ranges::sort(names);
  const std::string end = format::shard_file_name(rows_.shards().size());
  for (const std::string& name : names) {
    if (is_shard_name(name) && name >= end) {
      add_fault(
          {ErrorCode::kIntegrity,
           fmt::format("{}/{}: is a shard that the index does not know", index_.label, name)});
    }
  }
}

Status ContainerScan::scan_shard(std::uint32_t shard) {
  const format::ShardRow row = rows_.shards()[shard];
  const bool readable = open_shard(shard);
  std::uint64_t end = format::kEnvelopeSize;
  if (readable) WPACK_TRY(advance(end));
  for (; next_extent_ < rows_.extents().size(); ++next_extent_) {
    const format::ExtentRow extent = rows_.extents()[next_extent_];
    if (extent.shard != shard) break;
    if (!readable || full()) continue;
    WPACK_TRY(scan_padding({end, extent.offset}));
    WPACK_TRY(scan_extent(next_extent_));
    end = extent.offset + extent.stored_size;
  }
  if (!readable) {
    done_.done_bytes += row.file_size;
    return {};
  }
  return scan_padding({end, row.file_size});
}

bool ContainerScan::open_shard(std::uint32_t shard) {
  const format::ShardRow row = rows_.shards()[shard];
  auto file = os::File::open_read_at(index_.directory, format::shard_file_name(shard),
                                     index_.shard_label(shard));
  if (!file) {
    add_fault(std::move(file).error());
    return false;
  }
  file->advise_sequential();
  const auto envelope = read_shard_envelope(*file, row);
  if (!envelope) {
    add_fault(envelope.error());
    // A damaged envelope says nothing about the payload; a wrong size says that it is not there.
    if (file->size().value_or(std::uint64_t{0}) != row.file_size) return false;
  } else {
    Status same = format::check_shard_envelope(*envelope, index_.file.envelope, shard, row);
    if (!same) {
      add_fault(std::move(same).error().in(file->label()));
      return false;
    }
  }
  bytes_.open(*std::move(file), row.file_size);
  return true;
}

Status ContainerScan::scan_extent(std::uint32_t extent) {
  const std::size_t first = next_tensor_;
  while (next_tensor_ < tensors_.size() &&
         rows_.tensors()[tensors_[next_tensor_]].extent <= extent) {
    ++next_tensor_;
  }
  const auto skipped = [&](std::uint32_t id) { return rows_.tensors()[id].extent < extent; };
  placed_ = std::span<const std::uint32_t>(tensors_).subspan(first, next_tensor_ - first);
  while (!placed_.empty() && skipped(placed_.front())) placed_ = placed_.subspan(1);

  const format::ExtentRow row = rows_.extents()[extent];
  damaged_.assign(row.chunk_count, false);
  description_.clear();
  if (!decodes(row)) {
    WPACK_TRY(scan_chunks(extent, {}));
    add_fault({ErrorCode::kBadInput,
               fmt::format("{}: {} has codec {}, which this version does not know: its logical "
                           "bytes are not checked",
                           bytes_.file().label(), describe(extent), row.codec)});
    return {};
  }
  const std::vector<TensorRange> ranges = group_by_range(rows_, placed_);
  WPACK_TRY(scan_chunks(extent, ranges));
  for (const TensorRange& range : hasher_.deferred()) {
    if (full()) break;
    WPACK_TRY(scan_range(row, range));
  }
  return {};
}

Status ContainerScan::scan_chunks(std::uint32_t extent, std::span<const TensorRange> ranges) {
  const format::ExtentRow row = rows_.extents()[extent];
  hasher_.reset(ranges);
  std::uint64_t end = row.offset;
  for (std::uint32_t i = 0; i < row.chunk_count && !full(); ++i) {
    const format::ChunkRow chunk = rows_.chunks()[row.chunk_first + i];
    const ByteRange range{row.offset + chunk.offset, row.offset + chunk.offset + chunk.stored_size};
    WPACK_TRY(scan_padding({end, range.begin}));
    end = range.end;
    hasher_.begin_chunk({chunk.offset, chunk.offset + chunk.stored_size});
    bool damaged = false;
    WPACK_ASSIGN(const std::uint64_t hash, hash_chunk(range, damaged));
    ++report_.chunk_count;
    if (!damaged && hash != chunk.hash) {
      damaged = true;
      add_fault({ErrorCode::kIntegrity,
                 fmt::format("{}: {} is damaged: the checksum of the {} bytes at offset {} does "
                             "not match",
                             bytes_.file().label(), describe(extent), range.size(), range.begin)});
    }
    damaged_[i] = damaged;
    compare(hasher_.end_chunk(hash, damaged));
  }
  return scan_padding({end, row.offset + row.stored_size});
}

Status ContainerScan::scan_range(const format::ExtentRow& extent, const TensorRange& range) {
  const ChunkSpan chunks = chunks_of_range(extent, range.raw);
  for (std::uint32_t i = chunks.first; i < chunks.last; ++i) {
    if (damaged_[i]) return {};
  }
  format::StreamHash stream(format::StreamHash::Width::k64);
  for (std::uint64_t at = range.raw.begin; at < range.raw.end;) {
    auto bytes = bytes_.next(extent.offset + at, range.raw.end - at);
    if (!bytes) {
      add_fault(std::move(bytes).error());
      return {};
    }
    stream.update(*bytes);
    at += bytes->size();
  }
  if (progress_ && !progress_(done_)) return cancelled();
  const TensorHasher::Result result{range, stream.digest64()};
  compare({&result, 1});
  return {};
}

// Looking for a name among all tensors of a layer, for every fault, could take minutes.
const std::string& ContainerScan::describe(std::uint32_t extent) {
  if (!description_.empty()) return description_;
  const std::uint32_t home = rows_.extents()[extent].layer;
  std::uint32_t first = format::kNone;
  for (const std::uint32_t id : placed_) {
    if (rows_.tensors()[id].layer == home) first = std::min(first, id);
  }
  description_ =
      first == format::kNone
          ? describe_extent(rows_, extent)
          : fmt::format("tensor '{}'", escape_name(rows_.name_of(rows_.tensors()[first])));
  return description_;
}

Result<std::uint64_t> ContainerScan::hash_chunk(ByteRange range, bool& damaged) {
  format::StreamHash stream(format::StreamHash::Width::k64);
  std::uint64_t at = range.begin;
  while (at < range.end) {
    // What cannot be read counts as bytes of no meaning, so that the scan keeps its place.
    Bytes bytes = bytes_.filler(range.end - at);
    if (auto next = bytes_.next(at, range.end - at)) {
      bytes = *next;
    } else {
      add_fault(std::move(next).error());
      damaged = true;
    }
    hasher_.update(bytes);
    const bool whole = bytes.size() == range.size();
    const std::uint64_t hash = whole ? format::hash64(bytes) : 0;
    if (!whole) stream.update(bytes);
    at += bytes.size();
    WPACK_TRY(advance(bytes.size()));
    if (whole) return hash;
  }
  return stream.digest64();
}

Status ContainerScan::scan_padding(ByteRange range) {
  bool found = false;
  while (range.begin < range.end && !full()) {
    auto bytes = bytes_.next(range.begin, range.size());
    if (!bytes) {
      add_fault(std::move(bytes).error());
      return advance(range.size());
    }
    const std::size_t nonzero = find_nonzero(*bytes);
    if (nonzero < bytes->size() && !std::exchange(found, true)) {
      add_fault({ErrorCode::kIntegrity, fmt::format("{}: padding at offset {} is not zero",
                                                    bytes_.file().label(), range.begin + nonzero)});
    }
    range.begin += bytes->size();
    WPACK_TRY(advance(bytes->size()));
  }
  return {};
}

void ContainerScan::compare(std::span<const TensorHasher::Result> results) {
  for (const TensorHasher::Result& result : results) {
    for (std::uint32_t i = 0; i < result.range.count; ++i) {
      const format::TensorRow tensor = rows_.tensors()[placed_[result.range.first + i]];
      if (tensor.hash == result.hash) continue;
      add_fault({ErrorCode::kIntegrity,
                 fmt::format("{}: tensor '{}' does not match its checksum, though its chunks do",
                             bytes_.file().label(), escape_name(rows_.name_of(tensor)))});
    }
  }
}

Status ContainerScan::advance(std::uint64_t size) {
  report_.checked_bytes += size;
  done_.done_bytes = std::min(done_.done_bytes + size, done_.total_bytes);
  if (!progress_) return {};
  const bool last = done_.done_bytes == done_.total_bytes;
  if (done_.done_bytes - reported_bytes_ < kProgressStep && !last) return {};
  reported_bytes_ = done_.done_bytes;
  if (!progress_(done_)) return cancelled();
  return {};
}

void ContainerScan::add_fault(Error error) {
  if (!full()) report_.faults.push_back(std::move(error));
}

}  // namespace wpack::load
