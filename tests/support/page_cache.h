// Making files cold.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <string>

namespace wpack::testing {

// Asks the kernel to drop the pages of the file at `path`; false if it cannot be asked. Some file
// systems keep them all the same: what a test found must be looked at again.
[[nodiscard]] inline bool drop_from_page_cache(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const bool dropped = ::fsync(fd) == 0 && ::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) == 0;
  ::close(fd);
  return dropped;
}

}  // namespace wpack::testing
