// A source of tensors that an input describes: a few storages, tensors that lie in them, gathered
// ones, metadata, attachments. Not all that can be described is valid.
#pragma once

#include <string>
#include <vector>

#include "input.h"
#include "wpack/tensor_source.h"

namespace wpack::fuzz {

class DecodedSource final : public TensorSource {
 public:
  explicit DecodedSource(Input& input);

  [[nodiscard]] SourceDescription& mutable_description() { return description_; }
  [[nodiscard]] const SourceDescription& description() const noexcept override {
    return description_;
  }
  // The logical bytes of tensor `index`.
  [[nodiscard]] Bytes bytes(std::size_t index) const { return tensors_[index]; }
  // The bytes of attachment `index`.
  [[nodiscard]] Bytes attachment(std::size_t index) const { return attachments_[index]; }

  [[nodiscard]] Status read(std::size_t index, std::uint64_t offset, MutableBytes out) override;
  [[nodiscard]] Status read_attachment(std::size_t index, std::uint64_t offset,
                                       MutableBytes out) override;
  [[nodiscard]] Status finish(const KeepGoing& /*keep_going*/) override { return {}; }

 private:
  void add_storages(Input& input);
  void add_tensor(Input& input);
  void add_metadata(Input& input);
  void add_attachment(Input& input);

  SourceDescription description_;
  std::vector<std::vector<std::byte>> storages_;
  std::vector<std::vector<std::byte>> tensors_;
  std::vector<std::vector<std::byte>> attachments_;
};

}  // namespace wpack::fuzz
