#include "os/resource_limits.h"

#include <sys/resource.h>

namespace wpack::os {

std::uint64_t open_file_limit() noexcept {
  rlimit limit{};
  // It fails for bad arguments alone.
  (void)::getrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_cur;
}

}  // namespace wpack::os
