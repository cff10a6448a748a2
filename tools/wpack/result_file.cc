#include "result_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "output.h"
#include "wpack/text.h"

namespace wpack::cli {

Result<ResultFile> ResultFile::open(const std::string& path) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
  if (fd < 0) return write_failure(escape_name(path), errno);
  return ResultFile(path, fd);
}

ResultFile::ResultFile(ResultFile&& other) noexcept
    : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)) {}

ResultFile& ResultFile::operator=(ResultFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(fd_, other.fd_);
  return *this;
}

ResultFile::~ResultFile() {
  if (fd_ >= 0) (void)::close(fd_);
}

Status ResultFile::write(std::string_view text) {
  // Devices and pipes cannot be cut off, and need not be.
  const bool cut = ::ftruncate(fd_, 0) == 0 || errno == EINVAL;
  const int error = cut ? write_all(fd_, text) : errno;
  if (error != 0) return write_failure(escape_name(path_), error);
  return {};
}

}  // namespace wpack::cli
