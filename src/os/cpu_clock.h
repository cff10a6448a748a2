// The processor's time that this process has used.
#pragma once

namespace wpack::os {

// Returns seconds that all threads of the process, those that have ended included, have spent on
// processors in user and system mode; 0 where the kernel does not tell. Thread-safe.
[[nodiscard]] double process_cpu_seconds() noexcept;

}  // namespace wpack::os
