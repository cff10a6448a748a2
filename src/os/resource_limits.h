// What the operating system allows this process.
#pragma once

#include <cstdint>

namespace wpack::os {

// Returns how many files this process may have open at once.
[[nodiscard]] std::uint64_t open_file_limit() noexcept;

}  // namespace wpack::os
