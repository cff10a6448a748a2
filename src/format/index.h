// A validated index: what a reader knows of a container without touching its shards.
//
// Index::parse proves every relation that SPEC section 5 states, in one linear pass, so that users
// of an Index never check a row against another again. Immutable; thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "format/name_table.h"
#include "format/row_view.h"
#include "format/rows.h"
#include "wpack/error.h"
#include "wpack/types.h"

namespace wpack::format {

class Index {
 public:
  // Validates the FlatBuffer `bytes` (without envelope and padding), which start on an 8-byte
  // boundary and stay valid while `owner` lives. Their checksum is the caller's to check.
  // Errors: kBadInput with the row and the rule that it breaks; the caller adds the file's name.
  [[nodiscard]] static Result<Index> parse(Bytes bytes, std::shared_ptr<const void> owner);

  [[nodiscard]] std::string_view producer() const noexcept { return producer_; }
  [[nodiscard]] std::string_view source_format() const noexcept { return source_format_; }

  [[nodiscard]] const RowView<ShardRow>& shards() const noexcept { return shards_; }
  [[nodiscard]] const RowView<ExtentRow>& extents() const noexcept { return extents_; }
  [[nodiscard]] const RowView<ChunkRow>& chunks() const noexcept { return chunks_; }
  [[nodiscard]] const RowView<LayerRow>& layers() const noexcept { return layers_; }
  [[nodiscard]] const RowView<std::uint32_t>& foreign() const noexcept { return foreign_; }
  [[nodiscard]] const RowView<TensorRow>& tensors() const noexcept { return tensors_; }
  [[nodiscard]] const RowView<AttachmentRow>& attachments() const noexcept { return attachments_; }
  [[nodiscard]] const RowView<MetadataRow>& metadata() const noexcept { return metadata_; }
  [[nodiscard]] const RowView<SourceRow>& sources() const noexcept { return sources_; }

  [[nodiscard]] std::string_view name_of(const TensorRow& row) const noexcept;
  [[nodiscard]] std::string_view name_of(const LayerRow& row) const noexcept;
  [[nodiscard]] std::string_view name_of(const AttachmentRow& row) const noexcept;
  [[nodiscard]] std::string_view name_of(const SourceRow& row) const noexcept;
  [[nodiscard]] std::string_view key_of(const MetadataRow& row) const noexcept;
  [[nodiscard]] std::string_view value_of(const MetadataRow& row) const noexcept;
  [[nodiscard]] Shape shape_of(const TensorRow& row) const noexcept;

  [[nodiscard]] std::optional<std::uint32_t> find_tensor(std::string_view name) const;
  [[nodiscard]] std::optional<std::uint32_t> find_layer(std::string_view name) const;

 private:
  friend class IndexValidator;
  Index() = default;

  std::shared_ptr<const void> owner_;
  std::string_view producer_;
  std::string_view source_format_;
  std::string_view names_;
  std::string_view metadata_text_;
  std::span<const std::uint64_t> dims_;
  RowView<ShardRow> shards_;
  RowView<ExtentRow> extents_;
  RowView<ChunkRow> chunks_;
  RowView<LayerRow> layers_;
  RowView<std::uint32_t> foreign_;
  RowView<TensorRow> tensors_;
  RowView<std::uint32_t> tensors_by_name_;
  RowView<NameSlotRow> tensor_slots_;
  RowView<std::uint32_t> layers_by_name_;
  RowView<NameSlotRow> layer_slots_;
  RowView<AttachmentRow> attachments_;
  RowView<MetadataRow> metadata_;
  RowView<SourceRow> sources_;
};

}  // namespace wpack::format
