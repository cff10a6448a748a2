#include "format/index_validator.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/checked_math.h"
#include "base/file_name.h"
#include "base/utf8.h"
#include "wpack/container.h"
#include "wpack/text.h"

namespace wpack::format {
namespace {

template <typename... Args>
Error broken(fmt::format_string<Args...> rule, Args&&... args) {
  return {ErrorCode::kBadInput, "index: " + fmt::format(rule, std::forward<Args>(args)...)};
}

Status within_limit(std::string_view what, std::uint64_t count, std::uint64_t limit) {
  if (count <= limit) return {};
  return Error(ErrorCode::kLimit,
               fmt::format("index: {} {}, the format allows {}", count, what, limit));
}

}  // namespace

Status IndexValidator::run() {
  WPACK_TRY(check_counts());
  WPACK_TRY(check_shards());
  WPACK_TRY(check_extents());
  WPACK_TRY(check_tensors());
  WPACK_TRY(check_layers());
  WPACK_TRY(check_attachments());
  WPACK_TRY(check_sources());
  WPACK_TRY(check_names());
  return check_metadata();
}

Status IndexValidator::check_counts() const {
  WPACK_TRY(within_limit("shards", index_.shards_.size(), kMaxShards));
  WPACK_TRY(within_limit("extents", index_.extents_.size(), kMaxExtents));
  WPACK_TRY(within_limit("chunks", index_.chunks_.size(), kMaxChunks));
  WPACK_TRY(within_limit("layers", index_.layers_.size(), kMaxLayers));
  WPACK_TRY(within_limit("tensors", index_.tensors_.size(), kMaxTensors));
  WPACK_TRY(within_limit("attachments", index_.attachments_.size(), kMaxAttachments));
  WPACK_TRY(within_limit("sources", index_.sources_.size(), kMaxSources));
  WPACK_TRY(within_limit("metadata entries", index_.metadata_.size(), kMaxMetadata));
  return within_limit("bytes of metadata", index_.metadata_text_.size(), kMaxMetadataText);
}

Status IndexValidator::check_shards() const {
  for (std::uint32_t i = 0; i < index_.shards_.size(); ++i) {
    const ShardRow shard = index_.shards_[i];
    if (shard.data_begin != kEnvelopeSize || shard.data_end <= shard.data_begin ||
        shard.data_end > kMaxFileSize ||
        base::align_up(shard.data_end, base::kPageSize) != shard.file_size) {
      return broken("shard {} has the impossible data range [{}, {}) in {} bytes", i,
                    shard.data_begin, shard.data_end, shard.file_size);
    }
  }
  return {};
}

Status IndexValidator::check_extents() const {
  std::uint32_t shard = 0;
  std::uint64_t end = kEnvelopeSize;
  std::uint64_t chunk = 0;
  for (std::uint32_t i = 0; i < index_.extents_.size(); ++i) {
    const ExtentRow extent = index_.extents_[i];
    // Every shard is used, in order: the next extent stays in this shard or opens the next one.
    const bool opens_next = i > 0 && extent.shard == shard + 1;
    if (opens_next) end = kEnvelopeSize;
    if (extent.shard >= index_.shards_.size() || (extent.shard != shard && !opens_next) ||
        extent.offset < end) {
      return broken("extent {} is out of order or overlaps the one before", i);
    }
    if (extent.chunk_first != chunk) return broken("extent {} does not own the next chunks", i);
    WPACK_TRY(check_extent(i, extent));
    WPACK_TRY(check_chunks(i, extent));
    shard = extent.shard;
    end = extent.offset + extent.stored_size;
    chunk += extent.chunk_count;
  }
  const std::uint32_t used_shards = index_.extents_.size() == 0 ? 0 : shard + 1;
  if (used_shards != index_.shards_.size())
    return broken("{} shards hold nothing", index_.shards_.size() - used_shards);
  if (chunk != index_.chunks_.size())
    return broken("{} chunks belong to no extent", index_.chunks_.size() - chunk);
  return {};
}

Status IndexValidator::check_extent(std::uint32_t row, const ExtentRow& extent) const {
  const ShardRow shard = index_.shards_[extent.shard];
  if (extent.alignment_log2 < kMinAlignmentLog2 || extent.alignment_log2 > kMaxAlignmentLog2 ||
      !base::is_aligned(extent.offset, std::uint64_t{1} << extent.alignment_log2)) {
    return broken("extent {} at offset {} breaks its alignment of 2^{} bytes", row, extent.offset,
                  extent.alignment_log2);
  }
  if (extent.stored_size == 0 || extent.raw_size == 0 || extent.raw_size > kMaxFileSize ||
      !base::range_within(extent.offset, extent.stored_size, shard.data_end)) {
    return broken("extent {} [{}, +{}) does not lie in shard {}", row, extent.offset,
                  extent.stored_size, extent.shard);
  }
  const bool raw = extent.codec == static_cast<std::uint8_t>(Codec::kRaw);
  if (raw && extent.stored_size != extent.raw_size)
    return broken("raw extent {} stores {} bytes for {}", row, extent.stored_size, extent.raw_size);
  if (extent.flags != 0 || (raw && extent.parameters != kNone))
    return broken("extent {} sets reserved fields", row);
  return {};
}

Status IndexValidator::check_chunks(std::uint32_t row, const ExtentRow& extent) const {
  if (extent.chunk_log2 < kMinChunkLog2 || extent.chunk_log2 > kMaxChunkLog2)
    return broken("extent {} has chunks of 2^{} bytes", row, extent.chunk_log2);
  const std::uint64_t chunk_size = std::uint64_t{1} << extent.chunk_log2;
  const std::uint64_t needed = ((extent.raw_size - 1) >> extent.chunk_log2) + 1;
  if (extent.chunk_count != needed)
    return broken("extent {} has {} chunks, it needs {}", row, extent.chunk_count, needed);
  if (!base::range_within(extent.chunk_first, needed, index_.chunks_.size()))
    return broken("extent {} owns chunks that do not exist", row);
  const bool raw = extent.codec == static_cast<std::uint8_t>(Codec::kRaw);
  std::uint64_t end = 0;
  for (std::uint32_t i = 0; i < extent.chunk_count; ++i) {
    const ChunkRow chunk = index_.chunks_[extent.chunk_first + i];
    const std::uint64_t raw_begin = std::uint64_t{i} << extent.chunk_log2;
    const std::uint64_t raw_size = std::min(chunk_size, extent.raw_size - raw_begin);
    const bool placed = raw ? chunk.offset == raw_begin && chunk.stored_size == raw_size
                            : chunk.offset >= end && chunk.stored_size > 0 &&
                                  base::is_aligned(chunk.offset, kCodedChunkAlignment);
    if (chunk.flags != 0) return broken("chunk {} of extent {} sets reserved fields", i, row);
    if (!placed || !base::range_within(chunk.offset, chunk.stored_size, extent.stored_size)) {
      return broken("chunk {} of extent {} is out of place", i, row);
    }
    end = chunk.offset + chunk.stored_size;
  }
  return {};
}

Status IndexValidator::check_layers() {
  std::uint64_t tensor = 0;
  std::uint64_t extent = 0;
  std::uint64_t foreign = 0;
  for (std::uint32_t i = 0; i < index_.layers_.size(); ++i) {
    const LayerRow layer = index_.layers_[i];
    if (!takes_name(layer.name_offset, layer.name_size, kMaxNameSize))
      return broken("layer {} has no name of 1 to {} bytes in its place", i, kMaxNameSize);
    if (layer.flags != 0 || layer.reserved != 0) return broken("layer {} sets reserved fields", i);
    if (layer.tensor_first != tensor || layer.extent_first != extent ||
        layer.foreign_first != foreign) {
      return broken("layer {} does not own the next tensors and extents", i);
    }
    tensor += layer.tensor_count;
    extent += layer.extent_count;
    foreign += layer.foreign_count;
    if (layer.tensor_count == 0 || tensor > index_.tensors_.size() ||
        extent > index_.extents_.size() || foreign > index_.foreign_.size()) {
      return broken("layer {} owns tensors or extents that do not exist", i);
    }
    WPACK_TRY(check_layer_range(i, layer));
    WPACK_TRY(check_foreign(i, layer));
    WPACK_TRY(check_foreign_use(i, layer));
    for (std::uint32_t t = layer.tensor_first; t < tensor; ++t) {
      if (index_.tensors_[t].layer != i) return broken("tensor {} is not of layer {}", t, i);
    }
  }
  if (tensor != index_.tensors_.size() || foreign != index_.foreign_.size())
    return broken("tensors or shared extents belong to no layer");
  return check_attachment_extents(static_cast<std::uint32_t>(extent));
}

Status IndexValidator::check_attachment_extents(std::uint32_t first) const {
  for (std::uint32_t i = first; i < index_.extents_.size(); ++i) {
    if (index_.extents_[i].layer != kNone) return broken("extent {} is of no layer", i);
  }
  if (first == 0 || first == index_.extents_.size()) return {};
  const ExtentRow before = index_.extents_[first - 1];
  const ExtentRow extent = index_.extents_[first];
  const std::uint64_t end = base::align_up(before.offset + before.stored_size, base::kPageSize);
  if (before.shard == extent.shard && extent.offset < end)
    return broken("extent {} of no layer shares a page with the layer before", first);
  return {};
}

Status IndexValidator::check_layer_range(std::uint32_t row, const LayerRow& layer) const {
  if (layer.extent_count == 0) {
    if (layer.begin == 0 && layer.end == 0 && layer.shard == kNone) return {};
    return broken("layer {} has a range or a shard, but no extents", row);
  }
  std::uint64_t end = layer.begin;
  for (std::uint32_t i = 0; i < layer.extent_count; ++i) {
    const ExtentRow extent = index_.extents_[layer.extent_first + i];
    if (extent.layer != row || extent.shard != layer.shard || extent.offset < end)
      return broken("extent {} does not lie in layer {}", layer.extent_first + i, row);
    end = extent.offset + extent.stored_size;
  }
  const ExtentRow first = index_.extents_[layer.extent_first];
  if (layer.begin != base::align_down(first.offset, base::kPageSize) ||
      layer.end != base::align_up(end, base::kPageSize)) {
    return broken("layer {} [{}, {}) is not the pages of its extents", row, layer.begin, layer.end);
  }
  if (layer.extent_first == 0) return {};
  const ExtentRow before = index_.extents_[layer.extent_first - 1];
  if (before.shard == layer.shard && before.offset + before.stored_size > layer.begin)
    return broken("layer {} shares a page with the layer before", row);
  return {};
}

Status IndexValidator::check_foreign(std::uint32_t row, const LayerRow& layer) const {
  for (std::uint32_t i = 0; i < layer.foreign_count; ++i) {
    const std::uint32_t id = index_.foreign_[layer.foreign_first + i];
    const bool ascending = i == 0 || index_.foreign_[layer.foreign_first + i - 1] < id;
    const std::uint32_t home = id < index_.extents_.size() ? index_.extents_[id].layer : kNone;
    if (!ascending || home == kNone || home == row)
      return broken("layer {} shares extent {}, which is not another layer's", row, id);
  }
  return {};
}

Status IndexValidator::check_foreign_use(std::uint32_t row, const LayerRow& layer) const {
  if (layer.foreign_count == 0) return {};
  std::vector<bool> used(layer.foreign_count, false);
  for (std::uint32_t i = 0; i < layer.tensor_count; ++i) {
    const std::uint32_t extent = index_.tensors_[layer.tensor_first + i].extent;
    const std::uint32_t place = find_foreign(layer, extent);
    if (place != kNone) used[place - layer.foreign_first] = true;
  }
  const auto unused = std::ranges::find(used, false);
  if (unused == used.end()) return {};
  const auto place = static_cast<std::uint32_t>(unused - used.begin());
  return broken("layer {} shares extent {}, in which none of its tensors lies", row,
                index_.foreign_[layer.foreign_first + place]);
}

Status IndexValidator::check_tensors() {
  std::uint64_t dims = 0;
  for (std::uint32_t i = 0; i < index_.tensors_.size(); ++i) {
    const TensorRow tensor = index_.tensors_[i];
    if (!takes_name(tensor.name_offset, tensor.name_size, kMaxNameSize))
      return broken("tensor {} has no name of 1 to {} bytes in its place", i, kMaxNameSize);
    const bool reserved_clear = tensor.transform == kNone && tensor.quantisation == kNone &&
                                tensor.flags == 0 && tensor.reserved_a == 0 &&
                                tensor.reserved_b == 0;
    if (!reserved_clear) return broken("tensor {} sets reserved fields", i);
    if (tensor.rank > kMaxRank || tensor.dims_first != dims ||
        !base::range_within(dims, tensor.rank, index_.dims_.size())) {
      return broken("tensor {} has no {} dimensions in their place", i, tensor.rank);
    }
    dims += tensor.rank;
    WPACK_TRY(check_tensor_bytes(i, tensor));
    WPACK_TRY(check_alias(i, tensor));
  }
  if (dims != index_.dims_.size())
    return broken("{} dimensions belong to no tensor", index_.dims_.size() - dims);
  return {};
}

Status IndexValidator::check_tensor_bytes(std::uint32_t row, const TensorRow& tensor) const {
  const DTypeInfo* dtype = find_dtype(static_cast<DType>(tensor.dtype));
  if (dtype != nullptr) {
    const auto nbytes = tensor_nbytes(dtype->dtype, index_.shape_of(tensor));
    if (!nbytes || *nbytes != tensor.nbytes)
      return broken("tensor {} has {} bytes, its shape and type say otherwise", row, tensor.nbytes);
    const std::uint64_t element = dtype->bits >= 8 ? dtype->bits / 8 : 1;
    if (tensor.byte_offset % element != 0) return broken("tensor {} starts inside an element", row);
  }
  if (tensor.layer >= index_.layers_.size()) return broken("tensor {} has no layer", row);
  if (tensor.nbytes == 0) {
    if (tensor.extent == kNone && tensor.byte_offset == 0) return {};
    return broken("empty tensor {} has an extent or an offset", row);
  }
  if (tensor.extent >= index_.extents_.size()) return broken("tensor {} has no extent", row);
  const ExtentRow extent = index_.extents_[tensor.extent];
  if (!base::range_within(tensor.byte_offset, tensor.nbytes, extent.raw_size))
    return broken("tensor {} does not lie in extent {}", row, tensor.extent);
  if (extent.layer == tensor.layer) return {};
  if (find_foreign(index_.layers_[tensor.layer], tensor.extent) != kNone) return {};
  return broken("tensor {} lies in extent {}, which its layer does not list", row, tensor.extent);
}

std::uint32_t IndexValidator::find_foreign(const LayerRow& layer, std::uint32_t extent) const {
  std::uint64_t low = layer.foreign_first;
  std::uint64_t high = low + layer.foreign_count;
  if (high > index_.foreign_.size()) return kNone;
  while (low < high) {
    const std::uint64_t middle = low + (high - low) / 2;
    const auto place = static_cast<std::uint32_t>(middle);
    const std::uint32_t found = index_.foreign_[place];
    if (found == extent) return place;
    if (found < extent) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return kNone;
}

Status IndexValidator::check_alias(std::uint32_t row, const TensorRow& tensor) const {
  if (tensor.alias_of == kNone) return {};
  const TensorRow owner = index_.tensors_[tensor.alias_of];
  const bool inside = tensor.alias_of < index_.tensors_.size() && tensor.alias_of != row &&
                      owner.alias_of == kNone && tensor.nbytes > 0 &&
                      owner.extent == tensor.extent && owner.byte_offset <= tensor.byte_offset &&
                      tensor.nbytes <= owner.nbytes &&
                      tensor.byte_offset - owner.byte_offset <= owner.nbytes - tensor.nbytes;
  if (!inside) return broken("tensor {} is not an alias of tensor {}", row, tensor.alias_of);
  return {};
}

Status IndexValidator::check_attachments() {
  std::string_view previous;
  for (std::uint32_t i = 0; i < index_.attachments_.size(); ++i) {
    const AttachmentRow attachment = index_.attachments_[i];
    if (!takes_name(attachment.name_offset, attachment.name_size, kMaxAttachmentNameSize))
      return broken("attachment {} has no name of 1 to {} bytes in its place", i,
                    kMaxAttachmentNameSize);
    const std::string_view name = index_.name_of(attachment);
    const bool in_order = i == 0 || previous < name;
    if (!base::is_attachment_name(name) || !in_order)
      return broken("attachment '{}' has a bad name or place", escape_name(name));
    if (attachment.flags != 0 || attachment.reserved != 0)
      return broken("attachment {} sets reserved fields", i);
    previous = name;
    const bool has_extent = attachment.extent < index_.extents_.size() &&
                            index_.extents_[attachment.extent].layer == kNone;
    if (attachment.extent != kNone && !has_extent) {
      return broken("attachment '{}' lies in extent {}, which is a layer's or does not exist",
                    escape_name(name), attachment.extent);
    }
  }
  return {};
}

Status IndexValidator::check_sources() {
  for (std::uint32_t i = 0; i < index_.sources_.size(); ++i) {
    const SourceRow source = index_.sources_[i];
    if (!takes_name(source.name_offset, source.name_size, kMaxNameSize))
      return broken("source {} has no name of 1 to {} bytes in its place", i, kMaxNameSize);
    if (source.flags != 0) return broken("source {} sets reserved fields", i);
  }
  return {};
}

Status IndexValidator::check_names() const {
  const std::string_view names = index_.names_;
  if (names_end_ != names.size())
    return broken("{} bytes of names belong to nothing", names.size() - names_end_);
  // Names tile the blob and none starts inside a character, so one look at the whole is enough.
  if (names.find('\0') != std::string_view::npos || !base::is_utf8(names))
    return broken("names are not UTF-8 without NUL");
  if (!base::is_utf8(index_.producer_) || !base::is_utf8(index_.source_format_))
    return broken("producer and source format are not UTF-8");
  WPACK_TRY(within_limit("bytes of producer", index_.producer_.size(), kMaxOriginSize));
  WPACK_TRY(within_limit("bytes of source format", index_.source_format_.size(), kMaxOriginSize));
  WPACK_TRY(check_name_table(
      index_.tensors_.size(), index_.tensors_by_name_, index_.tensor_slots_,
      [this](std::uint32_t row) { return index_.name_of(index_.tensors_[row]); }, "tensor"));
  return check_name_table(
      index_.layers_.size(), index_.layers_by_name_, index_.layer_slots_,
      [this](std::uint32_t row) { return index_.name_of(index_.layers_[row]); }, "layer");
}

Status IndexValidator::check_metadata() const {
  std::uint64_t end = 0;
  for (std::uint32_t i = 0; i < index_.metadata_.size(); ++i) {
    const MetadataRow entry = index_.metadata_[i];
    const bool placed = entry.key_offset == end && entry.key_size <= kMaxNameSize &&
                        entry.value_offset == end + entry.key_size;
    if (entry.reserved_a != 0 || entry.reserved_b != 0)
      return broken("metadata entry {} sets reserved fields", i);
    end += std::uint64_t{entry.key_size} + entry.value_size;
    if (!placed || end > index_.metadata_text_.size())
      return broken("metadata entry {} is out of place", i);
    const std::string_view key = index_.key_of(entry);
    if (!base::is_utf8(key) || !base::is_utf8(index_.value_of(entry)))
      return broken("metadata entry {} is not UTF-8", i);
    if (key.find('\0') != std::string_view::npos)
      return broken("metadata entry {} has a NUL character in its key", i);
  }
  if (end != index_.metadata_text_.size())
    return broken("{} bytes of metadata belong to nothing", index_.metadata_text_.size() - end);
  return {};
}

bool IndexValidator::takes_name(std::uint32_t offset, std::uint32_t size, std::uint32_t max_size) {
  const bool fits = size >= 1 && size <= max_size && offset == names_end_ &&
                    size <= index_.names_.size() - names_end_ &&
                    !base::is_utf8_continuation(index_.names_[offset]);
  if (fits) names_end_ += size;
  return fits;
}

}  // namespace wpack::format
