// The small text files by which the kernel tells about itself: /proc and /sys.
#pragma once

#include <string>
#include <string_view>

#include "wpack/error.h"

namespace wpack::os {

// Reads them below a directory of choice, so that tests can show the system another host.
// Immutable. Thread safety: all functions, from several threads at once.
class SystemFiles {
 public:
  // `root` stands in front of every path: "" for this host.
  explicit SystemFiles(std::string root = "") : root_(std::move(root)) {}

  // Returns the contents of the file `path` ("/proc/meminfo"), which may say that it is empty.
  // Errors: kIo, kLimit (larger than 16 MiB: it is none of these files).
  [[nodiscard]] Result<std::string> read(std::string_view path) const;

 private:
  std::string root_;
};

}  // namespace wpack::os
