// Rows of the index as the public structs that describe them.
#pragma once

#include <cstdint>

#include "format/index.h"
#include "wpack/container.h"

namespace wpack::load {

[[nodiscard]] TensorInfo tensor_info(const format::Index& index, std::uint32_t id);
[[nodiscard]] LayerInfo layer_info(const format::Index& index, std::uint32_t id);

}  // namespace wpack::load
