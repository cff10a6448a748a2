// Sizes as people type them.
#pragma once

#include <cstdint>
#include <string_view>

#include "wpack/error.h"

namespace wpack::cli {

// Returns the bytes that `text` stands for: a decimal number, followed by nothing or B (bytes), by
// K, M, G, T or KiB, MiB, GiB, TiB (powers of 1024), or by kB, KB, MB, GB, TB (powers of 1000);
// upper and lower case alike. Errors: kInvalidArgument.
[[nodiscard]] Result<std::uint64_t> parse_size(std::string_view text);

}  // namespace wpack::cli
