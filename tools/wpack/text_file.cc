#include "text_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <stdlib.h>  // NOLINT(modernize-deprecated-headers): mkostemp is POSIX, not C++
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <system_error>

#include "system.h"
#include "wpack/text.h"

namespace wpack::cli {
namespace {

Status write_all(int fd, std::string_view text, const std::string& path) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return system_failure("write", path, errno);
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

// The mode that the file would have if it were made by open().
void give_usual_mode(int fd) {
  const mode_t mask = ::umask(0);
  ::umask(mask);
  (void)::fchmod(fd, 0666 & ~mask);
}

}  // namespace

Status replace_text_file(const std::string& path, std::string_view text) {
  std::string temporary = path + ".XXXXXX";
  const int fd = ::mkostemp(temporary.data(), O_CLOEXEC);
  if (fd < 0) return system_failure("creation of a file beside it", path, errno);
  give_usual_mode(fd);
  Status status = write_all(fd, text, path);
  if (::close(fd) != 0 && status) status = system_failure("write", path, errno);
  if (status && ::rename(temporary.c_str(), path.c_str()) != 0)
    status = system_failure("rename", path, errno);
  if (!status) (void)::unlink(temporary.c_str());
  return status;
}

}  // namespace wpack::cli
