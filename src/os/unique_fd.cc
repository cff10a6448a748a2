#include "os/unique_fd.h"

#include <unistd.h>

namespace wpack::os {

void UniqueFd::reset() noexcept {
  // Linux closes the descriptor even when close() reports EINTR, so there is nothing to retry.
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

}  // namespace wpack::os
