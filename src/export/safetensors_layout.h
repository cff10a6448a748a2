// Where everything lies in a safetensors file. Pure.
//
// The layout is that of the format's reference library, to the byte: tensors descend by the
// library's rank of their element types (which descends by alignment, so that every tensor is
// aligned to its element), and ascend by name within a type; `__metadata__` stands first; the
// header is padded with spaces to a multiple of 8.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "export/tensor_sink.h"
#include "wpack/error.h"

namespace wpack::exporting {

struct SafetensorsLayout {
  std::string front;                     // the length field and the header
  std::vector<std::uint64_t> positions;  // in the file, of the bytes of each tensor
  std::uint64_t file_size = 0;
};

// `__metadata__` gets the entries that came from safetensors, in their order, and then those of
// checkpoints, as text, where their key is still free.
// Errors: kBadInput (an element type that safetensors lacks, a tensor called `__metadata__`, text
// that is not UTF-8), kLimit (the header would be larger than the format allows).
[[nodiscard]] Result<SafetensorsLayout> plan_safetensors(ExportSource source);

}  // namespace wpack::exporting
