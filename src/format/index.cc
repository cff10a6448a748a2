#include "format/index.h"

#include <fmt/format.h>

#include "format/index_validator.h"
#include "wpack_generated.h"

namespace wpack::format {
namespace {

// The generated structs and our rows are the same bytes; RowView copies one into the other.
static_assert(sizeof(fbs::Shard) == sizeof(ShardRow) && sizeof(ShardRow) == 32);
static_assert(sizeof(fbs::Extent) == sizeof(ExtentRow) && sizeof(ExtentRow) == 48);
static_assert(sizeof(fbs::Chunk) == sizeof(ChunkRow) && sizeof(ChunkRow) == 24);
static_assert(sizeof(fbs::Layer) == sizeof(LayerRow) && sizeof(LayerRow) == 56);
static_assert(sizeof(fbs::Tensor) == sizeof(TensorRow) && sizeof(TensorRow) == 64);
static_assert(sizeof(fbs::NameSlot) == sizeof(NameSlotRow) && sizeof(NameSlotRow) == 8);
static_assert(sizeof(fbs::Attachment) == sizeof(AttachmentRow) && sizeof(AttachmentRow) == 16);
static_assert(sizeof(fbs::Metadata) == sizeof(MetadataRow) && sizeof(MetadataRow) == 24);
static_assert(sizeof(fbs::Source) == sizeof(SourceRow) && sizeof(SourceRow) == 32);

// One root table, three levels of nothing: anything deeper or wider is not ours.
constexpr flatbuffers::uoffset_t kMaxDepth = 4;
constexpr flatbuffers::uoffset_t kMaxTables = 4;

// Builders place an empty vector anywhere.
template <typename T>
bool is_aligned(const flatbuffers::Vector<T>* vector) {
  return vector->size() == 0 ||
         reinterpret_cast<std::uintptr_t>(vector->Data()) % alignof(std::remove_pointer_t<T>) == 0;
}

// The verifier looks at the alignment of a vector's count alone.
template <typename... T>
bool rows_are_aligned(const flatbuffers::Vector<T>*... vectors) {
  return (is_aligned(vectors) && ...);
}

bool rows_are_aligned(const fbs::Index& root) {
  return rows_are_aligned(root.dims(), root.shards(), root.extents(), root.chunks(), root.layers(),
                          root.foreign(), root.tensors(), root.tensors_by_name(),
                          root.tensor_slots(), root.layers_by_name(), root.layer_slots(),
                          root.attachments(), root.metadata(), root.sources());
}

template <typename Row, typename T>
RowView<Row> view(const flatbuffers::Vector<T>* vector) {
  return RowView<Row>(Bytes(reinterpret_cast<const std::byte*>(vector->Data()),
                            std::size_t{vector->size()} * sizeof(Row)));
}

std::string_view text(const flatbuffers::Vector<std::uint8_t>* vector) {
  return {reinterpret_cast<const char*>(vector->Data()), vector->size()};
}

std::string_view clipped(std::string_view blob, std::uint32_t offset, std::uint32_t size) {
  if (offset > blob.size() || size > blob.size() - offset) return {};
  return blob.substr(offset, size);
}

}  // namespace

Result<Index> Index::parse(Bytes bytes, std::shared_ptr<const void> owner) {
  // The verifier only asserts its own upper limit, and looks at alignment relative to the start.
  const bool aligned = reinterpret_cast<std::uintptr_t>(bytes.data()) % 8 == 0;
  if (bytes.size() < 16 || bytes.size() > kMaxIndexSize || !aligned)
    return Error(ErrorCode::kBadInput,
                 fmt::format("index of {} bytes is too short or too long", bytes.size()));
  const auto* data = reinterpret_cast<const std::uint8_t*>(bytes.data());
  flatbuffers::Verifier verifier(data, bytes.size(), kMaxDepth, kMaxTables);
  if (!fbs::IndexBufferHasIdentifier(data) || !fbs::VerifyIndexBuffer(verifier))
    return Error(ErrorCode::kBadInput, "index is not a valid WPK1 FlatBuffer");
  const fbs::Index* root = fbs::GetIndex(data);
  if (!rows_are_aligned(*root))
    return Error(ErrorCode::kBadInput, "index is not a valid WPK1 FlatBuffer: misaligned rows");
  if (root->created() != 0)
    return Error(ErrorCode::kBadInput, "index has a time of creation, which is reserved");

  Index index;
  index.owner_ = std::move(owner);
  index.producer_ = root->producer()->string_view();
  index.source_format_ = root->source_format()->string_view();
  index.names_ = text(root->names());
  index.metadata_text_ = text(root->metadata_text());
  index.dims_ = {root->dims()->data(), root->dims()->size()};
  index.shards_ = view<ShardRow>(root->shards());
  index.extents_ = view<ExtentRow>(root->extents());
  index.chunks_ = view<ChunkRow>(root->chunks());
  index.layers_ = view<LayerRow>(root->layers());
  index.foreign_ = view<std::uint32_t>(root->foreign());
  index.tensors_ = view<TensorRow>(root->tensors());
  index.tensors_by_name_ = view<std::uint32_t>(root->tensors_by_name());
  index.tensor_slots_ = view<NameSlotRow>(root->tensor_slots());
  index.layers_by_name_ = view<std::uint32_t>(root->layers_by_name());
  index.layer_slots_ = view<NameSlotRow>(root->layer_slots());
  index.attachments_ = view<AttachmentRow>(root->attachments());
  index.metadata_ = view<MetadataRow>(root->metadata());
  index.sources_ = view<SourceRow>(root->sources());
  WPACK_TRY(IndexValidator(index).run());
  return index;
}

std::string_view Index::name_of(const TensorRow& row) const noexcept {
  return clipped(names_, row.name_offset, row.name_size);
}
std::string_view Index::name_of(const LayerRow& row) const noexcept {
  return clipped(names_, row.name_offset, row.name_size);
}
std::string_view Index::name_of(const AttachmentRow& row) const noexcept {
  return clipped(names_, row.name_offset, row.name_size);
}
std::string_view Index::name_of(const SourceRow& row) const noexcept {
  return clipped(names_, row.name_offset, row.name_size);
}
std::string_view Index::key_of(const MetadataRow& row) const noexcept {
  return clipped(metadata_text_, row.key_offset, row.key_size);
}
std::string_view Index::value_of(const MetadataRow& row) const noexcept {
  return clipped(metadata_text_, row.value_offset, row.value_size);
}

Shape Index::shape_of(const TensorRow& row) const noexcept {
  if (row.dims_first > dims_.size() || row.rank > dims_.size() - row.dims_first) return {};
  return dims_.subspan(row.dims_first, row.rank);
}

std::optional<std::uint32_t> Index::find_tensor(std::string_view name) const {
  return find_name(tensors_by_name_, tensor_slots_, name,
                   [this](std::uint32_t row) { return name_of(tensors_[row]); });
}

std::optional<std::uint32_t> Index::find_layer(std::string_view name) const {
  return find_name(layers_by_name_, layer_slots_, name,
                   [this](std::uint32_t row) { return name_of(layers_[row]); });
}

}  // namespace wpack::format
