// Rows of the index as the public structs that describe them.
#pragma once

#include <cstdint>
#include <string>

#include "format/index.h"
#include "wpack/container.h"

namespace wpack::load {

[[nodiscard]] TensorInfo tensor_info(const format::Index& index, std::uint32_t id);
[[nodiscard]] LayerInfo layer_info(const format::Index& index, std::uint32_t id);

// "tensor 'head.weight'" and "layer 'head'", for messages.
[[nodiscard]] std::string tensor_text(const format::Index& index, std::uint32_t id);
[[nodiscard]] std::string layer_text(const format::Index& index, std::uint32_t id);
[[nodiscard]] std::string attachment_text(const format::Index& index,
                                          const format::AttachmentRow& attachment);

}  // namespace wpack::load
