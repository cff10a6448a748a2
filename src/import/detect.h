// What a file is, judged by its first bytes and its size, never by its name. Pure.
#pragma once

#include <cstdint>
#include <string>

#include "wpack/types.h"

namespace wpack::import {

// How many bytes of the front of a file detect_file() looks at.
inline constexpr std::uint64_t kDetectSize = 4096;

enum class FileFormat {
  kSafetensors,  // by its looks: its own reader says whether it is valid
  kTorchZip,     // likewise
  kIndex,        // of a sharded checkpoint, likewise
  kRefused,
};

struct Detection {
  FileFormat format = FileFormat::kRefused;
  // Of a refused file: what it is and, where there is something, what to do with it; the rest of a
  // sentence that begins with the file's name.
  std::string refusal;
};

// `front` holds the first min(kDetectSize, `file_size`) bytes of the file.
[[nodiscard]] Detection detect_file(Bytes front, std::uint64_t file_size);

}  // namespace wpack::import
