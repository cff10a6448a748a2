// Small files of text that others read while they are written anew.
#pragma once

#include <string>
#include <string_view>

#include "wpack/error.h"

namespace wpack::cli {

// Writes `text` to the file `path`, at once: whoever opens it sees the old text or the new one. On
// any error the old one stays. Errors: kIo, kLimit (a full disk or quota).
[[nodiscard]] Status replace_text_file(const std::string& path, std::string_view text);

}  // namespace wpack::cli
