#include "os/system_files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "os/os_error.h"
#include "os/unique_fd.h"
#include "wpack/text.h"

namespace wpack::os {
namespace {

// The table of mounts of a host with tens of thousands of containers is smaller.
constexpr std::size_t kMaxSize = std::size_t{16} << 20;

}  // namespace

Result<std::string> SystemFiles::read(std::string_view path) const {
  const std::string full = root_ + std::string(path);
  const UniqueFd fd(::open(full.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd.valid()) return os_error(errno, "open", escape_name(full));
  std::string text;
  std::array<char, 4096> part;
  for (;;) {
    const ssize_t got = ::read(fd.get(), part.data(), part.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return os_error(errno, "read", escape_name(full));
    if (got == 0) return text;
    if (text.size() + static_cast<std::size_t>(got) > kMaxSize) {
      return Error(ErrorCode::kLimit,
                   fmt::format("{}: is larger than {} bytes", escape_name(full), kMaxSize));
    }
    text.append(part.data(), static_cast<std::size_t>(got));
  }
}

}  // namespace wpack::os
