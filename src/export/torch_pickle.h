// The data.pkl of a PyTorch zip. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "export/tensor_sink.h"
#include "wpack/error.h"

namespace wpack::exporting {

// One storage: the record data/<its position>.
struct TorchStorage {
  std::size_t tensor = 0;  // whose bytes it holds
  bool untyped = false;
};

// Where a tensor lies.
struct TorchView {
  std::size_t storage = 0;
  std::uint64_t byte_offset = 0;  // a multiple of the element's size
};

// True if tensors of `dtype` can be written: PyTorch has the type, and rebuilds it from nothing but
// bytes and shape (quantised types need more).
[[nodiscard]] bool torch_can_hold(DType dtype) noexcept;
// True if `dtype` has a storage class.
[[nodiscard]] bool has_storage_class(DType dtype) noexcept;

// `views` has one element for each tensor of `source`, all of whose element types can be held.
// Errors: kBadInput (metadata that is not of its type).
[[nodiscard]] Result<std::string> write_torch_pickle(ExportSource source,
                                                     std::span<const TorchStorage> storages,
                                                     std::span<const TorchView> views);

}  // namespace wpack::exporting
