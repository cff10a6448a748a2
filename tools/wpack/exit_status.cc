#include "exit_status.h"

namespace wpack::cli {

int exit_status_of(ErrorCode code) noexcept {
  if (code == ErrorCode::kNotFound) return kExitUsage;
  if (code == ErrorCode::kDeadline) return static_cast<int>(ErrorCode::kInternal);
  return static_cast<int>(code);
}

}  // namespace wpack::cli
