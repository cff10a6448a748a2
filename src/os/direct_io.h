// Reading past the page cache (O_DIRECT): the disk writes straight into the caller's memory, which
// neither fills the cache nor counts against a limit on it.
#pragma once

#include <string_view>

#include "os/unique_fd.h"
#include "wpack/async_reader.h"
#include "wpack/error.h"

namespace wpack::os {

// A file opened for direct reads, and what every read of it must keep.
struct DirectFile {
  UniqueFd fd;
  DirectAlignment alignment;
};

// Opens what is open as `file` a second time, for direct reads; also where it was renamed or
// removed since. `label` is what errors call it. The alignment is what the kernel says
// (STATX_DIOALIGN, Linux 6.1), and 4096 bytes, proven by a read, where it says nothing. Errors:
// kUnsupportedHost (the file system or the kernel cannot do it for this file, or /proc is not
// mounted: read through the page cache instead), kLimit (no descriptor left), kIo.
[[nodiscard]] Result<DirectFile> open_direct(int file, std::string_view label);

}  // namespace wpack::os
