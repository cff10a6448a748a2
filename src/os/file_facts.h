// What the kernel tells about an open file and what it lies on.
#pragma once

#include <string>

#include "os/system_files.h"
#include "wpack/host.h"

namespace wpack::os {

// Looks at everything in FileFacts but the mount. `path` is only passed on. Costs a few system
// calls and two files of /sys. Never fails: what cannot be found out says why.
[[nodiscard]] FileFacts file_facts(const SystemFiles& files, int fd, std::string path);

// Adds the mount, which knows the exact type of the file system: as long as the table of mounts is.
void add_mount(const SystemFiles& files, int fd, FileFacts& facts);

// Opens `path`, a file or a directory, and looks at all of it. The largest regular file of a
// directory stands in for it. Errors: kIo, kBadInput (neither file nor directory).
[[nodiscard]] Result<FileFacts> path_facts(const SystemFiles& files, const std::string& path);

}  // namespace wpack::os
