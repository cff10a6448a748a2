#include "load/layer_reader.h"

#include <algorithm>

namespace wpack::load {
namespace {

// Pages are faulted in piece by piece, so that a load can be stopped in between. The kernel is not
// asked for pages ahead (MADV_WILLNEED, readahead()): it brings those in as single 4 KiB pages, at
// half the rate of its own readahead, and mapping them costs twenty times as much ever after.
constexpr std::uint64_t kPieceSize = std::uint64_t{8} << 20;

}  // namespace

Status LayerReader::use_shards(std::uint32_t layer) const {
  const format::Index& index = index_.file.index;
  const std::vector<std::uint32_t> extents = extents_of_layer(index, layer);
  for (const ExtentRun& run : plan_runs(index, extents)) WPACK_TRY(shards_.use(run.shard));
  return {};
}

Result<LayerBlocks> LayerReader::read(std::uint32_t layer, StopFlag stop,
                                      std::uint64_t& size) const {
  const format::Index& index = index_.file.index;
  const std::vector<std::uint32_t> extents = extents_of_layer(index, layer);
  std::vector<Piece> pieces;
  std::vector<std::pair<const CheckedShard*, std::uint32_t>> mapped;
  std::vector<std::uint32_t> unmapped;
  size = 0;
  for (const ExtentRun& run : plan_runs(index, extents)) {
    WPACK_ASSIGN(const CheckedShard* shard, shards_.use(run.shard));
    size += run.range.size();
    const auto of_run = std::span(extents).subspan(run.first, run.count);
    if (!shard->mapped) {
      unmapped.insert(unmapped.end(), of_run.begin(), of_run.end());
      continue;
    }
    for (const std::uint32_t extent : of_run) mapped.emplace_back(shard, extent);
    for (const ByteRange piece : split_into_pieces(run.range, kPieceSize))
      pieces.push_back({shard, piece});
  }
  WPACK_TRY(populate(pieces, stop));
  for (const auto& [shard, extent] : mapped) {
    if (!verify_mapped_) break;
    const format::ExtentRow row = index.extents()[extent];
    WPACK_TRY(checker_.check_once(extent, {0, row.chunk_count},
                                  shard->view(row.offset, row.stored_size)));
  }
  LayerBlocks result;
  if (unmapped.empty()) return result;
  WPACK_ASSIGN(auto blocks, blocks_.get(unmapped, stop));
  for (std::size_t i = 0; i < unmapped.size(); ++i)
    result.emplace_back(unmapped[i], std::move(blocks[i]));
  return result;
}

Status LayerReader::populate(const std::vector<Piece>& pieces, StopFlag stop) const {
  for (const Piece& piece : pieces) {
    if (stop != nullptr && stop->load(std::memory_order_relaxed))
      return Error(ErrorCode::kCancelled, "reading was cancelled");
    WPACK_TRY(populate(*piece.shard, piece.range));
  }
  return {};
}

Status LayerReader::populate(const CheckedShard& shard, ByteRange range) const {
  if (Status status = shard.region.populate(range); !status)
    return std::move(status).error().in(index_.shard_label(shard.number));
  return {};
}

void LayerReader::release_pages(std::uint32_t layer, ReleasePages pages) const {
  const format::LayerRow row = index_.file.index.layers()[layer];
  if (row.extent_count == 0) return;
  const auto shard = shards_.use(row.shard);
  if (!shard) return;
  if ((*shard)->mapped) (*shard)->region.dont_need({row.begin, row.end});
  if (pages != ReleasePages::kPageCache) return;
  if (const auto file = shards_.file(**shard))
    (*file)->advise_dont_need(row.begin, row.end - row.begin);
}

Status LayerReader::check_mapped(const CheckedShard& shard, std::uint32_t extent,
                                 ChunkSpan chunks) const {
  if (checker_.all_checked(extent, chunks)) return {};
  const format::ExtentRow row = index_.file.index.extents()[extent];
  // A page that cannot be read becomes an error here; hashing it would be a signal.
  const ByteRange stored{
      row.offset + (std::uint64_t{chunks.first} << row.chunk_log2),
      row.offset + std::min(std::uint64_t{chunks.last} << row.chunk_log2, row.stored_size)};
  WPACK_TRY(populate(shard, stored));
  return checker_.check_once(extent, chunks, shard.view(row.offset, row.stored_size));
}

}  // namespace wpack::load
