// The semantic pass over an index: every rule of SPEC section 5, in one linear walk.
#pragma once

#include <string>

#include "format/index.h"

namespace wpack::format {

class IndexValidator {
 public:
  explicit IndexValidator(const Index& index) : index_(index) {}

  // Errors: kBadInput with the row and the rule, kLimit where a count passes the format's limits.
  [[nodiscard]] Status run();

 private:
  [[nodiscard]] Status check_counts() const;
  [[nodiscard]] Status check_shards() const;
  [[nodiscard]] Status check_extents() const;
  [[nodiscard]] Status check_extent(std::uint32_t row, const ExtentRow& extent) const;
  [[nodiscard]] Status check_chunks(std::uint32_t row, const ExtentRow& extent) const;
  [[nodiscard]] Status check_layers();
  [[nodiscard]] Status check_layer_range(std::uint32_t row, const LayerRow& layer) const;
  [[nodiscard]] Status check_foreign(std::uint32_t row, const LayerRow& layer) const;
  // Every shared extent holds a tensor of the layer.
  [[nodiscard]] Status check_foreign_use(std::uint32_t row, const LayerRow& layer) const;
  [[nodiscard]] Status check_attachment_extents(std::uint32_t first) const;
  [[nodiscard]] Status check_tensors();
  [[nodiscard]] Status check_tensor_bytes(std::uint32_t row, const TensorRow& tensor) const;
  // Returns the place of `extent` in the layer's ascending list of shared extents, by binary
  // search, or kNone.
  [[nodiscard]] std::uint32_t find_foreign(const LayerRow& layer, std::uint32_t extent) const;
  [[nodiscard]] Status check_alias(std::uint32_t row, const TensorRow& tensor) const;
  [[nodiscard]] Status check_attachments();
  [[nodiscard]] Status check_sources();
  [[nodiscard]] Status check_metadata() const;
  [[nodiscard]] Status check_names() const;
  // Names tile the blob in the order tensors, layers, attachments, sources.
  [[nodiscard]] bool takes_name(std::uint32_t offset, std::uint32_t size, std::uint32_t max_size);

  const Index& index_;
  std::uint64_t names_end_ = 0;  // of the names that were seen so far
};

}  // namespace wpack::format
