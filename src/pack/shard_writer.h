// Writes extents into shard files, one after the other, and finds content that is already there.
//
// An extent's bytes are written as they come. When it is complete and an extent of equal size and
// key is already in the container, the two are compared byte by byte; if they are equal the write
// position is rolled back and the older extent stands for both. Extents of at least 1 MiB are
// looked for everywhere, smaller ones within their layer, attachments among attachments. Of older
// extents with the same key that differ, the first four are compared.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "format/rows.h"
#include "os/file.h"
#include "pack/extent_hasher.h"
#include "pack/placement.h"
#include "wpack/error.h"

namespace wpack::packing {

// What ends up in the index.
struct WrittenShards {
  std::vector<format::ShardRow> shards;
  std::vector<format::ExtentRow> extents;
  std::vector<format::ChunkRow> chunks;
  std::vector<ByteRange> layer_ranges;       // whole pages; empty for a layer without extents
  std::vector<std::uint32_t> layer_extents;  // number of extents of each layer
  std::uint64_t shared_bytes = 0;            // of extents that were rolled back
};

class ShardWriter {
 public:
  // Shards are created in `directory`, which outlives the writer.
  ShardWriter(const os::UniqueFd& directory, std::string label, std::uint8_t chunk_log2);

  // Starts layer number `layer`, counting from 0 without gaps (or attachments, behind the last
  // layer, with format::kNone). `shard` numbers the shards as planned; a change closes the shard
  // that is open. `estimated_size` bytes are reserved on the disk when a shard is opened.
  [[nodiscard]] Status start_layer(std::uint32_t layer, std::uint32_t shard,
                                   std::uint64_t estimated_size);
  [[nodiscard]] Status start_extent(std::uint64_t size);
  [[nodiscard]] Status append(Bytes piece);
  // Ends the extent; returns the row of the extent that holds its bytes, new or older.
  [[nodiscard]] Result<std::uint32_t> finish_extent(const ExtentHashes& hashes);
  // Ends the last shard. Nothing may be called afterwards.
  [[nodiscard]] Result<WrittenShards> finish();

 private:
  using ContentKey = std::tuple<std::uint64_t, std::uint64_t, std::uint64_t>;
  using ContentMap = std::multimap<ContentKey, std::uint32_t>;

  [[nodiscard]] Status open_shard(std::uint64_t estimated_size);
  [[nodiscard]] Status close_shard();
  [[nodiscard]] Status fill_gap(std::uint64_t begin, std::uint64_t end);
  [[nodiscard]] Result<std::optional<std::uint32_t>> find_equal(const ContentMap& candidates,
                                                                const ContentKey& key);
  [[nodiscard]] Result<bool> equals_pending(const format::ExtentRow& extent);
  void keep_extent(const ExtentHashes& hashes);
  void note_layer_extent(std::uint64_t offset, std::uint64_t size);

  const os::UniqueFd& directory_;
  std::string label_;
  std::uint8_t chunk_log2_;

  os::File shard_;  // the one that is open
  std::uint32_t planned_shard_ = format::kNone;
  std::uint64_t shard_first_extent_ = 0;
  ShardCursor cursor_;
  std::uint64_t dirty_end_ = 0;      // bytes up to here were written once
  std::uint64_t writeback_end_ = 0;  // bytes up to here were handed to the disk

  std::uint32_t layer_ = format::kNone;
  ShardCursor before_extent_;
  std::uint64_t extent_offset_ = 0;
  std::uint64_t extent_size_ = 0;
  std::uint64_t extent_fill_ = 0;

  ContentMap large_content_;
  ContentMap layer_content_;
  std::vector<std::byte> compare_buffers_;
  WrittenShards written_;
};

}  // namespace wpack::packing
