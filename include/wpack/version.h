// The version of the library and of the container format that it writes.
#pragma once

#include <cstdint>
#include <string_view>

#include "wpack/export.h"

namespace wpack {

// Returns the library's version as "MAJOR.MINOR.PATCH". Static storage.
[[nodiscard]] WPACK_EXPORT std::string_view version() noexcept;

// The format that this library writes. It reads containers of the same major version and of any
// minor version; while the major version is 0, only of the same minor version too.
inline constexpr std::uint16_t kFormatMajor = 0;
inline constexpr std::uint16_t kFormatMinor = 1;

}  // namespace wpack
