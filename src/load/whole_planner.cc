#include "load/whole_planner.h"

#include <algorithm>
#include <utility>

#include "base/align.h"
#include "load/read_planner.h"

namespace wpack::load {
namespace {

std::pair<std::uint32_t, std::uint64_t> place_in_file(const ShardRead& read) {
  return {read.shard, read.range.begin};
}

// Takes from each range, in file order, what the ones before it have brought in.
std::vector<ShardRead> without_overlap(std::vector<ShardRead> reads) {
  std::ranges::stable_sort(reads, {}, place_in_file);
  std::vector<ShardRead> apart;
  for (ShardRead read : reads) {
    if (!apart.empty() && apart.back().shard == read.shard)
      read.range.begin = std::max(read.range.begin, apart.back().range.end);
    if (read.range.begin < read.range.end) apart.push_back(read);
  }
  return apart;
}

}  // namespace

Status WholePlanner::add_layer(std::uint32_t layer) {
  const format::LayerRow row = index_.layers()[layer];
  for (std::uint32_t i = 0; i < row.tensor_count; ++i) need(index_.tensors()[row.tensor_first + i]);
  return add_extents(extents_of_layer(index_, layer));
}

Status WholePlanner::add_tensor(std::uint32_t tensor) {
  const format::TensorRow row = index_.tensors()[tensor];
  need(row);
  if (row.nbytes == 0 || added_[row.extent]) return {};
  const format::ExtentRow extent = index_.extents()[row.extent];
  WPACK_ASSIGN(const CheckedShard* shard, shards_.use(extent.shard));
  if (!shard->mapped) return add_extents({&row.extent, 1});
  add_pages(row, extent);
  return {};
}

void WholePlanner::need(const format::TensorRow& tensor) {
  if (tensor.nbytes > 0) needed_.emplace_back(tensor.extent, tensor.byte_offset, tensor.nbytes);
}

Status WholePlanner::add_extents(std::span<const std::uint32_t> extents) {
  std::vector<std::uint32_t> fresh;
  for (const std::uint32_t extent : extents) {
    if (!added_[extent]) fresh.push_back(extent);
    added_[extent] = true;
  }
  WPACK_ASSIGN(const std::vector<ShardReads> reads, shards_.block_reads_of(fresh));
  for (const ExtentRun& run : plan_runs(index_, fresh, reads)) {
    WPACK_ASSIGN(const CheckedShard* shard, shards_.use(run.shard));
    const std::uint64_t size = shard->mapped ? kReadInPieceSize : shard->reading.choice.block_size;
    for (const ByteRange piece : split_into_pieces(run.range, size))
      (shard->mapped ? mapped_ : read_).push_back({run.shard, piece});
  }
  return {};
}

void WholePlanner::add_pages(const format::TensorRow& tensor, const format::ExtentRow& extent) {
  ByteRange raw{tensor.byte_offset, tensor.byte_offset + tensor.nbytes};
  if (verify_mapped_) {
    const ChunkSpan chunks = chunks_of_range(extent, raw);
    raw = {std::uint64_t{chunks.first} << extent.chunk_log2,
           std::min(std::uint64_t{chunks.last} << extent.chunk_log2, extent.stored_size)};
  }
  const std::uint64_t end = base::align_up(extent.offset + raw.end, base::kPageSize);
  mapped_.push_back({extent.shard,
                     {base::align_down(extent.offset + raw.begin, base::kPageSize),
                      std::min(end, index_.shards()[extent.shard].file_size)}});
}

ReadPlan WholePlanner::take() {
  ReadPlan plan{.reads = without_overlap(std::move(mapped_))};
  plan.reads.insert(plan.reads.end(), read_.begin(), read_.end());
  std::ranges::stable_sort(plan.reads, {}, place_in_file);
  plan.cost.read_count = plan.reads.size();
  for (const ShardRead& read : plan.reads) plan.cost.read_bytes += read.range.size();
  std::ranges::sort(needed_);
  needed_.erase(std::unique(needed_.begin(), needed_.end()), needed_.end());
  for (const auto& [extent, offset, size] : needed_) plan.cost.needed_bytes += size;
  return plan;
}

}  // namespace wpack::load
