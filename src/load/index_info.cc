#include "load/index_info.h"

#include <fmt/format.h>

#include "wpack/text.h"

namespace wpack::load {

static_assert(TensorInfo::kNone == format::kNone);

TensorInfo tensor_info(const format::Index& index, std::uint32_t id) {
  const format::TensorRow row = index.tensors()[id];
  TensorInfo info{.id = id,
                  .name = index.name_of(row),
                  .dtype = static_cast<DType>(row.dtype),
                  .shape = index.shape_of(row),
                  .nbytes = row.nbytes,
                  .layer = row.layer,
                  .alias_of = row.alias_of};
  if (row.extent == format::kNone) return info;
  const format::ExtentRow extent = index.extents()[row.extent];
  info.shard = extent.shard;
  info.codec = static_cast<Codec>(extent.codec);
  info.offset = extent.offset + (info.codec == Codec::kRaw ? row.byte_offset : 0);
  return info;
}

LayerInfo layer_info(const format::Index& index, std::uint32_t id) {
  const format::LayerRow row = index.layers()[id];
  LayerInfo info{.id = id,
                 .name = index.name_of(row),
                 .tensor_begin = row.tensor_first,
                 .tensor_end = row.tensor_first + row.tensor_count,
                 .shard = row.shard,
                 .range = {row.begin, row.end},
                 .foreign_extent_count = row.foreign_count};
  for (std::uint32_t i = info.tensor_begin; i < info.tensor_end; ++i)
    info.nbytes += index.tensors()[i].nbytes;
  return info;
}

std::string tensor_text(const format::Index& index, std::uint32_t id) {
  return fmt::format("tensor '{}'", escape_name(index.name_of(index.tensors()[id])));
}

std::string layer_text(const format::Index& index, std::uint32_t id) {
  return fmt::format("layer '{}'", escape_name(index.name_of(index.layers()[id])));
}

std::string attachment_text(const format::Index& index, const format::AttachmentRow& attachment) {
  return fmt::format("attachment '{}'", escape_name(index.name_of(attachment)));
}

}  // namespace wpack::load
