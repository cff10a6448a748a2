// The records at the end of a zip archive, which say where its central directory lies.
#pragma once

#include <cstdint>

#include "os/file.h"
#include "wpack/error.h"
#include "wpack/types.h"

namespace wpack::import {

struct ZipEnd {
  ByteRange directory;  // of the central directory in the file
  std::uint64_t entry_count = 0;
};

// Finds the end-of-central-directory record of `file`, and its zip64 form where there is one. The
// central directory must end where these records begin, so that nothing hides between them.
// Errors: kIo, kBadInput; messages start with the file's label.
[[nodiscard]] Result<ZipEnd> find_zip_end(const os::File& file, std::uint64_t file_size);

}  // namespace wpack::import
