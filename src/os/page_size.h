// The system's page size.
#pragma once

#include <cstdint>

namespace wpack::os {

// Returns the size of a page of this system in bytes: a power of two, 4,096 or more. Thread-safe.
[[nodiscard]] std::uint64_t system_page_size() noexcept;

}  // namespace wpack::os
