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

#include "wpack/text.h"

namespace wpack::cli {
namespace {

Error failure(std::string_view operation, const std::string& path, int error) {
  const bool full = error == ENOSPC || error == EDQUOT || error == EFBIG;
  return {full ? ErrorCode::kLimit : ErrorCode::kIo, error,
          fmt::format("{}: {} failed: {}", escape_name(path), operation,
                      std::generic_category().message(error))};
}

Status write_all(int fd, std::string_view text, const std::string& path) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return failure("write", path, errno);
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
  if (fd < 0) return failure("creation of a file beside it", path, errno);
  give_usual_mode(fd);
  Status status = write_all(fd, text, path);
  if (::close(fd) != 0 && status) status = failure("write", path, errno);
  if (status && ::rename(temporary.c_str(), path.c_str()) != 0)
    status = failure("rename", path, errno);
  if (!status) (void)::unlink(temporary.c_str());
  return status;
}

}  // namespace wpack::cli
