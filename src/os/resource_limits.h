// What the operating system allows this process.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace wpack::os {

// Returns how many files this process may have open at once.
[[nodiscard]] std::uint64_t open_file_limit() noexcept;

// Returns the number in /proc/sys/`name`, such as "fs/aio-nr"; nothing where there is none.
[[nodiscard]] std::optional<std::uint64_t> kernel_setting(const std::string& name);

}  // namespace wpack::os
