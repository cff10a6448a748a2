// The header of a safetensors file: JSON text to checked tensors. Pure.
//
//   {"__metadata__": {"key": "text", ...},
//    "name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, ...}
//
// Refused: text that is not JSON, white space aside anything around the object, duplicate keys at
// any level, metadata that is not text, missing fields and fields of another type, numbers other
// than integers of 0 to 2^53, unknown element types, sub-byte tensors that do not end at a byte,
// sizes that do not match, and payload that has holes, overlaps, or more or fewer bytes than the
// tensors (a byte that belongs to no tensor could hide something from other readers).
// Accepted: `"__metadata__": null`, any dimensions beside a zero, fields that are not known (with a
// warning), tensors in any order.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "import/memory_meter.h"
#include "wpack/error.h"
#include "wpack/tensor_source.h"
#include "wpack/types.h"

namespace wpack::import {

// The format's own limit on the bytes of the header.
inline constexpr std::uint64_t kMaxSafetensorsHeader = 100'000'000;

struct SafetensorsHeader {
  std::vector<SourceTensor> tensors;    // ascending by offset
  std::vector<std::uint64_t> begins;    // of each tensor, in bytes from the start of the payload
  std::vector<MetadataEntry> metadata;  // in the order of the text
  std::vector<std::string> warnings;    // one line each
};

// Parses and checks the header `text` of a file with `payload_size` bytes behind it.
// `meter` bounds the memory of the text, of what it is parsed into, and of packing the tensors.
// Errors: kBadInput, kLimit; the message names the tensor or the offset in the header.
[[nodiscard]] Result<SafetensorsHeader> parse_safetensors_header(std::string_view text,
                                                                 std::uint64_t payload_size,
                                                                 MemoryMeter meter = MemoryMeter());

}  // namespace wpack::import
