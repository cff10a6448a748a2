// File systems by the number that statfs(2) tells.
#pragma once

#include <cstdint>

#include "wpack/host.h"

namespace wpack::os {

// Returns the name and kind of the file system with this magic number; one that is not known is
// called by the number. Types that share a number ("fuse.sshfs") go by their family.
[[nodiscard]] FileSystemInfo file_system_of(std::uint64_t magic);

}  // namespace wpack::os
