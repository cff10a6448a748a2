// Names of files that come out of other files: which may be used at all. Pure.
#pragma once

#include <string_view>

namespace wpack::base {

// True if `name` can only name an entry of the folder it is used in, and prints as it is: 1 to 255
// bytes of UTF-8 without slash, backslash or control characters, not starting with a dot.
[[nodiscard]] bool is_plain_file_name(std::string_view name) noexcept;

// True if `name` can be that of an attachment: 1 to 255 bytes of A-Z a-z 0-9 . _ - and not starting
// with a dot.
[[nodiscard]] bool is_attachment_name(std::string_view name) noexcept;

}  // namespace wpack::base
