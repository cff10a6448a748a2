// A TensorSource whose tensors lie in memory, for tests of everything behind the importers.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "wpack/tensor_source.h"

namespace wpack::testing {

// Bytes that depend on `seed` and on their position.
inline std::vector<std::byte> pattern_bytes(std::uint64_t size, std::uint64_t seed) {
  std::vector<std::byte> bytes(size);
  std::uint64_t state = seed * 0x9E3779B97F4A7C15U + 1;
  for (std::byte& byte : bytes) {
    state ^= state << 13U;
    state ^= state >> 7U;
    state ^= state << 17U;
    byte = static_cast<std::byte>(state);
  }
  return bytes;
}

class MemorySource final : public TensorSource {
 public:
  MemorySource() {
    description_.format = "memory";
    description_.files.push_back({"model.mem", 7, 1, 2});
  }

  // Adds a tensor with a storage of its own, of 1-byte elements unless `dtype` says otherwise.
  MemorySource& add(std::string name, std::vector<std::byte> bytes, DType dtype = DType::kU8,
                    std::vector<std::uint64_t> shape = {}) {
    const auto storage = static_cast<std::uint32_t>(storages_.size());
    const std::uint64_t size = bytes.size();
    storages_.push_back(std::move(bytes));
    if (shape.empty() && dtype == DType::kU8) shape = {size};
    return add_view(std::move(name), storage, 0, dtype, std::move(shape));
  }

  // Adds a tensor that lies in the storage of the tensor that was added as number `storage`.
  MemorySource& add_view(std::string name, std::uint32_t storage, std::uint64_t byte_offset,
                         DType dtype, std::vector<std::uint64_t> shape) {
    SourceTensor tensor;
    tensor.name = std::move(name);
    tensor.dtype = dtype;
    tensor.nbytes = tensor_nbytes(dtype, shape).value_or(0);
    tensor.shape = std::move(shape);
    tensor.storage = SourceStorage{storage, byte_offset};
    description_.tensors.push_back(std::move(tensor));
    return *this;
  }

  MemorySource& attach(std::string name, std::vector<std::byte> bytes) {
    description_.attachments.push_back({std::move(name), bytes.size()});
    attachments_.push_back(std::move(bytes));
    return *this;
  }

  [[nodiscard]] SourceDescription& mutable_description() { return description_; }
  [[nodiscard]] const SourceDescription& description() const noexcept override {
    return description_;
  }

  // The logical bytes of tensor `index`, for comparison.
  [[nodiscard]] Bytes bytes(std::size_t index) const {
    const SourceTensor& tensor = description_.tensors[index];
    return Bytes(storages_[tensor.storage->id]).subspan(tensor.storage->byte_offset, tensor.nbytes);
  }

  [[nodiscard]] Status read(std::size_t index, std::uint64_t offset, MutableBytes out) override {
    if (on_read) WPACK_TRY(on_read(index, offset));
    std::ranges::copy(bytes(index).subspan(offset, out.size()), out.begin());
    return {};
  }

  [[nodiscard]] Status read_attachment(std::size_t index, std::uint64_t offset,
                                       MutableBytes out) override {
    if (on_read_attachment) WPACK_TRY(on_read_attachment(index, offset));
    std::ranges::copy(Bytes(attachments_[index]).subspan(offset, out.size()), out.begin());
    return {};
  }

  [[nodiscard]] Status finish(const KeepGoing& keep_going) override {
    return on_finish ? on_finish(keep_going) : Status();
  }

  // Faults to inject.
  std::function<Status(std::size_t, std::uint64_t)> on_read;
  std::function<Status(std::size_t, std::uint64_t)> on_read_attachment;
  std::function<Status(const KeepGoing&)> on_finish;

 private:
  SourceDescription description_;
  std::vector<std::vector<std::byte>> storages_;
  std::vector<std::vector<std::byte>> attachments_;
};

}  // namespace wpack::testing
