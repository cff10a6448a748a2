#include "load/chunk_checker.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/checked_math.h"
#include "format/checksum.h"
#include "wpack/text.h"

namespace wpack::load {

ChunkChecker::ChunkChecker(const OpenedIndex& index, AccessCounters& counters)
    : index_(index),
      counters_(counters),
      checked_((std::size_t{index.file.index.chunks().size()} + 63) / 64) {}

Status ChunkChecker::check(std::uint32_t extent, std::uint32_t chunk, Bytes stored) {
  const format::Index& index = index_.file.index;
  const format::ExtentRow row = index.extents()[extent];
  const format::ChunkRow expected = index.chunks()[row.chunk_first + chunk];
  if (format::hash64(stored) != expected.hash) {
    return Error(
        ErrorCode::kIntegrity,
        fmt::format("{}: {} is damaged: the checksum of the {} bytes at offset {} does not "
                    "match",
                    index_.shard_label(row.shard), describe_extent(index, extent), stored.size(),
                    row.offset + expected.offset));
  }
  counters_.verified_bytes.fetch_add(stored.size(), std::memory_order_relaxed);
  return {};
}

Status ChunkChecker::check_once(std::uint32_t extent, ChunkSpan chunks, Bytes stored) {
  const format::Index& index = index_.file.index;
  const format::ExtentRow row = index.extents()[extent];
  for (std::uint32_t i = chunks.first; i < chunks.last; ++i) {
    if (is_checked(std::uint64_t{row.chunk_first} + i)) continue;
    const format::ChunkRow chunk = index.chunks()[row.chunk_first + i];
    const bool inside = base::range_within(chunk.offset, chunk.stored_size, stored.size());
    WPACK_TRY(check(extent, i, inside ? stored.subspan(chunk.offset, chunk.stored_size) : Bytes()));
    set_checked(std::uint64_t{row.chunk_first} + i);
  }
  return {};
}

bool ChunkChecker::all_checked(std::uint32_t extent, ChunkSpan chunks) const noexcept {
  const std::uint64_t base = index_.file.index.extents()[extent].chunk_first;
  for (std::uint64_t i = chunks.first; i < chunks.last; ++i) {
    if (!is_checked(base + i)) return false;
  }
  return true;
}

void ChunkChecker::set_all_checked() noexcept {
  for (auto& word : checked_) word.store(~std::uint64_t{0}, std::memory_order_relaxed);
}

bool ChunkChecker::is_checked(std::uint64_t chunk) const noexcept {
  if (chunk / 64 >= checked_.size()) return false;
  return (checked_[chunk / 64].load(std::memory_order_relaxed) >> (chunk % 64) & 1U) != 0;
}

void ChunkChecker::set_checked(std::uint64_t chunk) noexcept {
  if (chunk / 64 >= checked_.size()) return;
  checked_[chunk / 64].fetch_or(std::uint64_t{1} << (chunk % 64), std::memory_order_relaxed);
}

std::string describe_extent(const format::Index& index, std::uint32_t extent) {
  const std::uint32_t home = index.extents()[extent].layer;
  const format::LayerRow layer = index.layers()[home];
  const std::uint32_t end = layer.tensor_first + layer.tensor_count;
  for (std::uint32_t i = layer.tensor_first; i < end; ++i) {
    const format::TensorRow tensor = index.tensors()[i];
    if (tensor.extent == extent)
      return fmt::format("tensor '{}'", escape_name(index.name_of(tensor)));
  }
  for (std::uint32_t i = 0; i < index.attachments().size(); ++i) {
    const format::AttachmentRow attachment = index.attachments()[i];
    if (attachment.extent == extent)
      return fmt::format("attachment '{}'", escape_name(index.name_of(attachment)));
  }
  return fmt::format("extent {}", extent);
}

}  // namespace wpack::load
