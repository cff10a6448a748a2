#include "load/layer_reader.h"

#include <fmt/format.h>

#include <algorithm>

#include "load/index_info.h"
#include "load/read_in.h"

namespace wpack::load {

Status LayerReader::use_shards(std::uint32_t layer) const {
  WPACK_TRY(shards_.reads_of(extents_of_layer(index_.file.index, layer)));
  return {};
}

Result<LayerBlocks> LayerReader::read(std::uint32_t layer, const ReadControl& control,
                                      MemoryBudget::Reading& reading, std::uint64_t& size) const {
  const format::Index& index = index_.file.index;
  const format::LayerRow wanted = index.layers()[layer];
  const TraceSpan span(counters_, control.caller_waits() ? "load layer" : "read layer ahead",
                       index.name_of(wanted), wanted.end - wanted.begin);
  const std::vector<std::uint32_t> extents = extents_of_layer(index, layer);
  WPACK_ASSIGN(const std::vector<ShardReads> reads, shards_.block_reads_of(extents));
  std::vector<MappedPiece> pieces;
  std::vector<std::pair<const CheckedShard*, std::uint32_t>> mapped;
  std::vector<std::uint32_t> unmapped;
  std::uint64_t private_size = 0;
  size = 0;
  for (const ExtentRun& run : plan_runs(index, extents, reads)) {
    WPACK_ASSIGN(const CheckedShard* shard, shards_.use(run.shard));
    size += run.range.size();
    const auto of_run = std::span(extents).subspan(run.first, run.count);
    if (!shard->mapped) {
      private_size += run.range.size();
      unmapped.insert(unmapped.end(), of_run.begin(), of_run.end());
      continue;
    }
    for (const std::uint32_t extent : of_run) mapped.emplace_back(shard, extent);
    for (const ByteRange piece : split_into_pieces(run.range, kReadInPieceSize))
      pieces.push_back({shard, piece});
  }
  WPACK_TRY(check_size(layer, private_size));
  if (!pieces.empty()) {
    const PhaseTimer timer(counters_, Phase::kDisk, control.caller_waits(), "bring pages in", size);
    WPACK_TRY(read_in(index_, pieces, control, counters_));
  }
  for (const auto& [shard, extent] : mapped) {
    if (!verify_mapped_) break;
    WPACK_TRY(control.tell());
    const format::ExtentRow row = index.extents()[extent];
    const PhaseTimer timer(counters_, Phase::kVerify, control.caller_waits(), "verify",
                           row.stored_size);
    const Bytes stored = shard->view(row.offset, row.stored_size);
    for (std::uint32_t chunk = 0; chunk < row.chunk_count; ++chunk) {
      WPACK_TRY(control.check());  // an extent may take longer than whoever waits for the end has
      WPACK_TRY(checker_.check_once(extent, {chunk, chunk + 1}, stored));
    }
  }
  LayerBlocks result;
  if (unmapped.empty()) return result;
  WPACK_ASSIGN(auto blocks, blocks_.get(unmapped, control, &reading));
  for (std::size_t i = 0; i < unmapped.size(); ++i)
    result.emplace_back(unmapped[i], std::move(blocks[i]));
  return result;
}

Status LayerReader::check_size(std::uint32_t layer, std::uint64_t private_size) const {
  if (private_size <= memory_.largest_layer()) return {};
  return Error(ErrorCode::kLimit,
               fmt::format("{}: {} takes {} bytes, more than 2/5 of the memory budget: a budget of "
                           "{} bytes would do, or its tensors one at a time",
                           index_.label, layer_text(index_.file.index, layer), private_size,
                           MemoryBudget::needed_for_layer(private_size)));
}

Status LayerReader::populate(const CheckedShard& shard, ByteRange range) const {
  const PhaseTimer timer(counters_, Phase::kDisk, true, "bring pages in", range.size());
  if (Status status = shard.region.populate(range); !status)
    return std::move(status).error().in(index_.shard_label(shard.number));
  counters_.brought_in_bytes.fetch_add(range.size(), std::memory_order_relaxed);
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

// In pieces, so that it can be stopped in between.
Status LayerReader::check_mapped(const CheckedShard& shard, std::uint32_t extent, ChunkSpan chunks,
                                 const ReadControl& control) const {
  const std::uint32_t chunk_log2 = index_.file.index.extents()[extent].chunk_log2;
  const std::uint64_t step = std::max<std::uint64_t>(kReadInPieceSize >> chunk_log2, 1);
  control.expect_read(std::uint64_t{chunks.last - chunks.first} << chunk_log2);
  for (std::uint64_t first = chunks.first; first < chunks.last; first += step) {
    WPACK_TRY(control.tell());
    const std::uint64_t last = std::min<std::uint64_t>(first + step, chunks.last);
    WPACK_TRY(check_mapped_piece(
        shard, extent, {static_cast<std::uint32_t>(first), static_cast<std::uint32_t>(last)}));
    control.add_read((last - first) << chunk_log2);
  }
  return {};
}

Status LayerReader::check_mapped_piece(const CheckedShard& shard, std::uint32_t extent,
                                       ChunkSpan chunks) const {
  if (checker_.all_checked(extent, chunks)) return {};
  const format::ExtentRow row = index_.file.index.extents()[extent];
  // A page that cannot be read becomes an error here; hashing it would be a signal.
  const ByteRange stored{
      row.offset + (std::uint64_t{chunks.first} << row.chunk_log2),
      row.offset + std::min(std::uint64_t{chunks.last} << row.chunk_log2, row.stored_size)};
  WPACK_TRY(populate(shard, stored));
  const PhaseTimer timer(counters_, Phase::kVerify, true, "verify", stored.size());
  return checker_.check_once(extent, chunks, shard.view(row.offset, row.stored_size));
}

}  // namespace wpack::load
