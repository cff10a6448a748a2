#include "os/locked_memory.h"

#include <fmt/format.h>
#include <sys/mman.h>

#include <cerrno>

#include "os/os_error.h"

namespace wpack::os {

Status lock_memory(MutableBytes bytes) {
  if (::mlock(bytes.data(), bytes.size()) == 0) return {};
  const int error = errno;
  return Error(ErrorCode::kLimit, error,
               fmt::format("locking {} bytes in memory failed (RLIMIT_MEMLOCK): {}", bytes.size(),
                           errno_text(error)));
}

void unlock_memory(MutableBytes bytes) noexcept { (void)::munlock(bytes.data(), bytes.size()); }

}  // namespace wpack::os
