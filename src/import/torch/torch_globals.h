// What the names that a checkpoint refers to mean: an allow-list, and a list of names that no
// checkpoint has a reason to hold.
#pragma once

#include <cstdint>
#include <string_view>

#include "wpack/types.h"

namespace wpack::import {

enum class GlobalRole : std::uint8_t {
  kUnknown,    // kept as a name; what it would make is never made
  kDangerous,  // runs code, or reaches what does: the file is refused
  kDictClass,
  kSetClass,
  kSizeClass,  // torch.Size: a tuple
  kPlainData,  // makes a value that is neither a tensor nor kept: bytes, complex, torch.device
  kDType,
  kStorageClass,
  kTensorClass,
  kRebuildTensor,     // _rebuild_tensor(storage, offset, size, stride)
  kRebuildTensorV2,   // ... requires_grad, hooks[, metadata]
  kRebuildTensorV3,   // ... requires_grad, hooks, dtype[, metadata]
  kRebuildParameter,  // _rebuild_parameter(data, ...) and _rebuild_parameter_with_state
  kRebuildFromType,   // _rebuild_from_type_v2(function, type, args, state)
  kUnsupportedTensor,
};

struct GlobalInfo {
  GlobalRole role = GlobalRole::kUnknown;
  DType dtype = DType::kU8;    // of kDType and kStorageClass
  std::string_view what = {};  // of kUnsupportedTensor: what it makes, "a sparse tensor"
};

// Returns what `module`.`name` means. Both may hold any bytes.
[[nodiscard]] GlobalInfo classify_global(std::string_view module, std::string_view name);

}  // namespace wpack::import
