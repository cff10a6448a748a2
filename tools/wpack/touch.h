// The two ways in which a measurement uses bytes that were loaded.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "wpack/types.h"

namespace wpack::cli {

enum class Touch {
  kPages,  // one byte of every 4096 is read: all of them become resident
  kBytes,  // every byte is read and added up
};

// "pages", "bytes".
[[nodiscard]] std::string_view to_string(Touch touch) noexcept;

// Reads one byte of every page, in this thread. Thread-safe.
void touch_pages(Bytes bytes) noexcept;

// Returns the sum, modulo 2^64, of the little-endian 64-bit words of `bytes`, the last one filled
// up with zeros. Thread-safe.
[[nodiscard]] std::uint64_t sum_words(Bytes bytes) noexcept;

}  // namespace wpack::cli
