#include "os/resource_limits.h"

#include <sys/resource.h>
#include <unistd.h>

#include <charconv>

#include "os/file.h"

namespace wpack::os {

std::uint64_t open_file_limit() noexcept {
  rlimit limit{};
  // It fails for bad arguments alone.
  (void)::getrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_cur;
}

std::optional<std::uint64_t> kernel_setting(const std::string& name) {
  const auto file = File::open_read("/proc/sys/" + name);
  if (!file) return std::nullopt;
  char text[32];
  const ssize_t size = ::pread(file->fd(), text, sizeof text, 0);
  if (size <= 0) return std::nullopt;
  std::uint64_t value = 0;
  const auto parsed = std::from_chars(text, text + size, value);
  if (parsed.ec != std::errc()) return std::nullopt;
  return value;
}

}  // namespace wpack::os
