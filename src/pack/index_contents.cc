#include "pack/index_contents.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "wpack/version.h"

namespace wpack::packing {
namespace {

using format::IndexContents;
using format::kNone;

IndexContents::Tensor tensor_of(const SourceDescription& source, const PackPlan& plan,
                                const PipelineResult& result, std::uint64_t id,
                                std::uint32_t layer) {
  const PlannedTensor& planned = plan.tensors[id];
  const SourceTensor& from = source.tensors[planned.source_index];
  IndexContents::Tensor tensor;
  tensor.name = from.name;
  tensor.shape = from.shape;
  tensor.row.dtype = static_cast<std::uint16_t>(from.dtype);
  tensor.row.nbytes = from.nbytes;
  tensor.row.hash = result.hash_of[id];
  tensor.row.extent = result.extent_of[id];
  tensor.row.layer = layer;
  if (planned.alias_of != PlannedTensor::kNotAlias) {
    tensor.row.alias_of = static_cast<std::uint32_t>(planned.alias_of);
    tensor.row.byte_offset = planned.alias_offset;
  }
  return tensor;
}

// Adds the layer and its tensors.
void add_layer(const SourceDescription& source, const PackPlan& plan, const PipelineResult& result,
               std::uint32_t id, std::uint32_t extent_first, IndexContents& contents) {
  const PlannedLayer& planned = plan.layers[id];
  IndexContents::Layer& layer = contents.layers.emplace_back();
  layer.name = planned.name;
  layer.row.tensor_first = static_cast<std::uint32_t>(planned.tensor_begin);
  layer.row.tensor_count = static_cast<std::uint32_t>(planned.tensor_end - planned.tensor_begin);
  layer.row.extent_first = extent_first;
  layer.row.extent_count = result.written.layer_extents[id];
  if (layer.row.extent_count > 0) {
    layer.row.begin = result.written.layer_ranges[id].begin;
    layer.row.end = result.written.layer_ranges[id].end;
    layer.row.shard = result.written.extents[extent_first].shard;
  }
  std::set<std::uint32_t> foreign;
  for (std::uint64_t i = planned.tensor_begin; i < planned.tensor_end; ++i) {
    contents.tensors.push_back(tensor_of(source, plan, result, i, id));
    const std::uint32_t extent = result.extent_of[i];
    if (extent != kNone && result.written.extents[extent].layer != id) foreign.insert(extent);
  }
  layer.foreign.assign(foreign.begin(), foreign.end());
}

void add_side_rows(const SourceDescription& source, const PipelineResult& result,
                   IndexContents& contents) {
  for (std::size_t i = 0; i < source.attachments.size(); ++i) {
    IndexContents::Attachment& attachment = contents.attachments.emplace_back();
    attachment.name = source.attachments[i].name;
    attachment.row.extent = result.attachments[i];
  }
  std::ranges::sort(contents.attachments, {}, &IndexContents::Attachment::name);
  for (const MetadataEntry& entry : source.metadata) {
    IndexContents::Metadata& metadata = contents.metadata.emplace_back();
    metadata.key = entry.key;
    metadata.value = entry.value;
    metadata.row.type = static_cast<std::uint8_t>(entry.type);
    metadata.row.origin = static_cast<std::uint8_t>(entry.origin);
  }
  for (const SourceFile& file : source.files) {
    IndexContents::Source& row = contents.sources.emplace_back();
    row.name = file.name;
    row.row.size = file.size;
    row.row.digest_high = file.digest_high;
    row.row.digest_low = file.digest_low;
  }
}

}  // namespace

IndexContents make_index_contents(const SourceDescription& source, const PackPlan& plan,
                                  PipelineResult result) {
  IndexContents contents;
  contents.producer = fmt::format("wpack {}", version());
  contents.source_format = source.format;
  contents.layers.reserve(plan.layers.size());
  contents.tensors.reserve(plan.tensors.size());
  std::uint32_t extent = 0;
  for (std::uint32_t i = 0; i < plan.layers.size(); ++i) {
    add_layer(source, plan, result, i, extent, contents);
    extent += result.written.layer_extents[i];
  }
  add_side_rows(source, result, contents);
  contents.shards = std::move(result.written.shards);
  contents.extents = std::move(result.written.extents);
  contents.chunks = std::move(result.written.chunks);
  return contents;
}

}  // namespace wpack::packing
