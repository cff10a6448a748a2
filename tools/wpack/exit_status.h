// What the command's exit status says.
#pragma once

#include "wpack/error.h"

namespace wpack::cli {

inline constexpr int kExitSuccess = 0;
inline constexpr int kExitUsage = 2;
inline constexpr int kExitInterrupted = 130;

// Returns the number of the error's code; names that do not exist (kNotFound) are usage errors.
[[nodiscard]] int exit_status_of(ErrorCode code) noexcept;

}  // namespace wpack::cli
