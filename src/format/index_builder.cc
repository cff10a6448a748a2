#include "format/index_builder.h"

#include <fmt/format.h>

#include <bit>
#include <cstring>
#include <string_view>

#include "base/little_endian.h"
#include "format/checksum.h"
#include "format/name_table.h"
#include "wpack/text.h"
#include "wpack_generated.h"

namespace wpack::format {
namespace {

// Rows and blobs with every offset filled in, ready to be copied into the FlatBuffer.
struct FlatRows {
  std::string names;
  std::string metadata_text;
  std::vector<std::uint64_t> dims;
  std::vector<LayerRow> layers;
  std::vector<std::uint32_t> foreign;
  std::vector<TensorRow> tensors;
  std::vector<AttachmentRow> attachments;
  std::vector<MetadataRow> metadata;
  std::vector<SourceRow> sources;
  NameTable tensor_names;
  NameTable layer_names;
};

template <typename Row>
void place_name(std::string_view name, Row& row, std::string& blob) {
  row.name_offset = static_cast<std::uint32_t>(blob.size());
  row.name_size = static_cast<std::uint16_t>(name.size());
  blob += name;
}

void reserve(const IndexContents& contents, FlatRows& flat) {
  std::size_t names = 0;
  std::size_t dims = 0;
  for (const auto& tensor : contents.tensors) {
    names += tensor.name.size();
    dims += tensor.shape.size();
  }
  for (const auto& layer : contents.layers) names += layer.name.size();
  flat.names.reserve(names);
  flat.dims.reserve(dims);
  flat.tensors.reserve(contents.tensors.size());
  flat.layers.reserve(contents.layers.size());
}

FlatRows flatten(const IndexContents& contents) {
  FlatRows flat;
  reserve(contents, flat);
  for (const auto& [name, shape, source] : contents.tensors) {
    TensorRow& row = flat.tensors.emplace_back(source);
    place_name(name, row, flat.names);
    row.dims_first = static_cast<std::uint32_t>(flat.dims.size());
    row.rank = static_cast<std::uint8_t>(shape.size());
    flat.dims.insert(flat.dims.end(), shape.begin(), shape.end());
  }
  for (const auto& [name, source, foreign] : contents.layers) {
    LayerRow& row = flat.layers.emplace_back(source);
    place_name(name, row, flat.names);
    row.foreign_first = static_cast<std::uint32_t>(flat.foreign.size());
    row.foreign_count = static_cast<std::uint32_t>(foreign.size());
    flat.foreign.insert(flat.foreign.end(), foreign.begin(), foreign.end());
  }
  for (const auto& [name, source] : contents.attachments)
    place_name(name, flat.attachments.emplace_back(source), flat.names);
  for (const auto& [name, source] : contents.sources)
    place_name(name, flat.sources.emplace_back(source), flat.names);
  for (const auto& [key, value, source] : contents.metadata) {
    MetadataRow& row = flat.metadata.emplace_back(source);
    row.key_offset = static_cast<std::uint32_t>(flat.metadata_text.size());
    row.key_size = static_cast<std::uint32_t>(key.size());
    flat.metadata_text += key;
    row.value_offset = static_cast<std::uint32_t>(flat.metadata_text.size());
    row.value_size = static_cast<std::uint32_t>(value.size());
    flat.metadata_text += value;
  }
  return flat;
}

template <typename Items>
Result<NameTable> name_table_of(const Items& items, std::string_view what) {
  std::vector<std::string_view> names;
  names.reserve(items.size());
  for (const auto& item : items) names.push_back(item.name);
  NameTableResult result = build_name_table(names);
  if (result.duplicate) {
    return Error(ErrorCode::kBadInput, fmt::format("two {}s are called '{}'", what,
                                                   escape_name(names[*result.duplicate])));
  }
  return std::move(result.table);
}

// Returns how many bytes the index takes at most.
Result<std::uint64_t> check_sizes(const IndexContents& contents) {
  std::uint64_t total = 4096;
  std::uint64_t metadata = 0;
  const auto count_row = [&total](const auto& items, std::uint64_t row_size) {
    total += items.size() * row_size;
    for (const auto& item : items) total += item.name.size();
  };
  for (const auto& tensor : contents.tensors) total += tensor.shape.size() * sizeof(std::uint64_t);
  count_row(contents.tensors, sizeof(TensorRow) + 5 * sizeof(NameSlotRow));
  count_row(contents.layers, sizeof(LayerRow) + 5 * sizeof(NameSlotRow));
  count_row(contents.sources, sizeof(SourceRow));
  count_row(contents.attachments, sizeof(AttachmentRow));
  for (const auto& layer : contents.layers) total += layer.foreign.size() * sizeof(std::uint32_t);
  for (const auto& entry : contents.metadata) metadata += entry.key.size() + entry.value.size();
  total += metadata + contents.metadata.size() * sizeof(MetadataRow) +
           contents.extents.size() * sizeof(ExtentRow) + contents.chunks.size() * sizeof(ChunkRow);
  if (metadata > kMaxMetadataText || total > kMaxIndexSize) {
    return Error(ErrorCode::kLimit,
                 fmt::format("index would take {} bytes with {} bytes of metadata, past the "
                             "format's limits of {} and {}",
                             total, metadata, kMaxIndexSize, kMaxMetadataText));
  }
  return total;
}

template <typename T, typename Row>
auto structs(flatbuffers::FlatBufferBuilder& builder, const std::vector<Row>& rows) {
  static_assert(sizeof(T) == sizeof(Row));
  return builder.CreateVectorOfStructs(reinterpret_cast<const T*>(rows.data()), rows.size());
}

auto blob(flatbuffers::FlatBufferBuilder& builder, std::string_view text) {
  return builder.CreateVector(reinterpret_cast<const std::uint8_t*>(text.data()), text.size());
}

void serialise(const IndexContents& contents, const FlatRows& flat,
               flatbuffers::FlatBufferBuilder& builder) {
  const auto producer = builder.CreateString(contents.producer);
  const auto source_format = builder.CreateString(contents.source_format);
  const auto names = blob(builder, flat.names);
  const auto dims = builder.CreateVector(flat.dims);
  const auto shards = structs<fbs::Shard>(builder, contents.shards);
  const auto extents = structs<fbs::Extent>(builder, contents.extents);
  const auto chunks = structs<fbs::Chunk>(builder, contents.chunks);
  const auto layers = structs<fbs::Layer>(builder, flat.layers);
  const auto foreign = builder.CreateVector(flat.foreign);
  const auto tensors = structs<fbs::Tensor>(builder, flat.tensors);
  const auto tensors_by_name = builder.CreateVector(flat.tensor_names.by_name);
  const auto tensor_slots = structs<fbs::NameSlot>(builder, flat.tensor_names.slots);
  const auto layers_by_name = builder.CreateVector(flat.layer_names.by_name);
  const auto layer_slots = structs<fbs::NameSlot>(builder, flat.layer_names.slots);
  const auto attachments = structs<fbs::Attachment>(builder, flat.attachments);
  const auto metadata_text = blob(builder, flat.metadata_text);
  const auto metadata = structs<fbs::Metadata>(builder, flat.metadata);
  const auto sources = structs<fbs::Source>(builder, flat.sources);
  fbs::FinishIndexBuffer(
      builder,
      fbs::CreateIndex(builder, producer, source_format, 0, names, dims, shards, extents, chunks,
                       layers, foreign, tensors, tensors_by_name, tensor_slots, layers_by_name,
                       layer_slots, attachments, metadata_text, metadata, sources));
}

}  // namespace

Result<std::vector<std::byte>> build_index(IndexContents contents) {
  WPACK_ASSIGN(const std::uint64_t size, check_sizes(contents));
  FlatRows flat = flatten(contents);
  WPACK_ASSIGN(flat.tensor_names, name_table_of(contents.tensors, "tensor"));
  WPACK_ASSIGN(flat.layer_names, name_table_of(contents.layers, "layer"));
  contents.tensors = {};
  contents.layers = {};
  contents.metadata = {};
  flatbuffers::FlatBufferBuilder builder(size);
  serialise(contents, flat, builder);
  contents = {};
  flat = {};
  const auto* begin = reinterpret_cast<const std::byte*>(builder.GetBufferPointer());
  return std::vector<std::byte>(begin, begin + builder.GetSize());
}

void set_envelope_hashes(std::span<std::byte> index, std::span<const std::uint64_t> hashes) {
  const auto* shards = fbs::GetIndex(index.data())->shards();
  const auto first = static_cast<std::size_t>(shards->Data() -
                                              reinterpret_cast<const std::uint8_t*>(index.data()));
  for (std::size_t i = 0; i < hashes.size() && i < shards->size(); ++i) {
    base::store_le(&index[first + i * sizeof(ShardRow) + offsetof(ShardRow, envelope_hash)],
                   hashes[i]);
  }
}

Uuid uuid_of_index(Bytes index) {
  std::vector<std::byte> canonical(index.begin(), index.end());
  const std::vector<std::uint64_t> zeros(fbs::GetIndex(canonical.data())->shards()->size(), 0);
  set_envelope_hashes(canonical, zeros);
  const Hash128 hash = hash128(canonical);
  Uuid uuid;
  for (std::size_t i = 0; i < 8; ++i) {
    uuid.bytes[i] = static_cast<std::uint8_t>(hash.high >> (56 - 8 * i));
    uuid.bytes[8 + i] = static_cast<std::uint8_t>(hash.low >> (56 - 8 * i));
  }
  return uuid;
}

}  // namespace wpack::format
