// What the system says against the command's own use of files and of the environment.
#pragma once

#include <string>
#include <string_view>

#include "wpack/error.h"

namespace wpack::cli {

// "PATH: OPERATION failed: CAUSE"; kLimit where there is no room, kIo otherwise. `error` is errno.
[[nodiscard]] Error system_failure(std::string_view operation, const std::string& path, int error);

// Returns the variable `name` of the environment, which does not change while the command runs;
// empty if it is not set.
[[nodiscard]] std::string environment(const char* name);

}  // namespace wpack::cli
