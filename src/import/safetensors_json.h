// The JSON of a safetensors header: its structure, before anything that it says is believed. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "import/memory_meter.h"
#include "wpack/error.h"
#include "wpack/tensor_source.h"

namespace wpack::import {

// One entry, as the text has it.
struct SafetensorsEntry {
  std::string name;
  std::string dtype;
  std::vector<std::uint64_t> shape;  // at most kMaxRank long, each at most 2^53
  std::uint64_t begin = 0;           // data_offsets, each at most 2^53
  std::uint64_t end = 0;
};

struct SafetensorsJson {
  std::vector<SafetensorsEntry> entries;  // in the order of the text
  std::vector<MetadataEntry> metadata;    // likewise
  std::string first_unknown_field;        // "field" of the entry `unknown_field_entry`
  std::string unknown_field_entry;
  std::uint64_t unknown_field_count = 0;
};

inline constexpr std::size_t kMaxRank = 32;

// Errors: kBadInput, kLimit (more metadata or unknown fields than any real file has, the budget of
// `meter` is passed); the message names the offset in `text`, or the entry. What the result takes
// stays charged to `meter`.
[[nodiscard]] Result<SafetensorsJson> parse_safetensors_json(std::string_view text,
                                                             MemoryMeter& meter);

}  // namespace wpack::import
