// Globs over names, as --include and rule files have them.
#pragma once

#include <string_view>

namespace wpack::base {

// True if `pattern` matches all of `text`: `*` is any run of bytes, `?` one byte, the rest stands
// for itself. Takes at most pattern.size() * text.size() steps.
[[nodiscard]] bool glob_matches(std::string_view pattern, std::string_view text) noexcept;

}  // namespace wpack::base
