#include "exit_status.h"

namespace wpack::cli {

int exit_status_of(ErrorCode code) noexcept {
  return code == ErrorCode::kNotFound ? kExitUsage : static_cast<int>(code);
}

}  // namespace wpack::cli
