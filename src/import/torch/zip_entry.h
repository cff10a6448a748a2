// One entry of a zip archive's central directory, and its local header.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "import/torch/zip_archive.h"
#include "wpack/error.h"
#include "wpack/types.h"

namespace wpack::import {

inline constexpr std::size_t kCentralEntrySize = 46;  // without name, extra field and comment
inline constexpr std::size_t kLocalHeaderSize = 30;   // without name and extra field

// Parses the entry at the front of `directory`, and returns how many bytes it takes. The member's
// name is the whole one (a view into `directory`), its data_begin is left 0.
// Errors: kBadInput, without the file's label.
[[nodiscard]] Result<std::size_t> parse_central_entry(Bytes directory, ZipMember& member);

// Returns the size of the local header whose fixed part is `header` (kLocalHeaderSize bytes), with
// name and extra field. Errors: kBadInput (wrong signature).
[[nodiscard]] Result<std::size_t> local_header_size(Bytes header);

// Checks that the complete local header `header` says what `member` says, whose name in the
// archive is `full_name`. Errors: kBadInput.
[[nodiscard]] Status check_local_header(Bytes header, std::string_view full_name,
                                        const ZipMember& member);

}  // namespace wpack::import
