// Text for people: names escaped for a terminal, and identities as they are printed.
#pragma once

#include <string>
#include <string_view>

#include "wpack/export.h"
#include "wpack/types.h"

namespace wpack {

// Returns `name` made safe for a terminal or a one-line message: control characters (C0, DEL, C1,
// line and paragraph separators, bidirectional overrides) and bytes that are not UTF-8 become
// \xHH or \u{HHHH}, a backslash becomes \\. At most `max_size` bytes, the middle left out ("...")
// where it is longer.
[[nodiscard]] WPACK_EXPORT std::string escape_name(std::string_view name,
                                                   std::size_t max_size = 1024);

// Returns 32 lower-case hexadecimal digits.
[[nodiscard]] WPACK_EXPORT std::string to_string(const Uuid& uuid);

}  // namespace wpack
