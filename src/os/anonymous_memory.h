// Private memory straight from the system, and straight back to it.
#pragma once

#include <cstdint>

#include "wpack/error.h"
#include "wpack/types.h"

namespace wpack::os {

// Returns `size` > 0 bytes of zeroed private memory, page-aligned, for unmap_anonymous(). From
// 2 MiB on, the kernel is asked for huge pages. Errors: kLimit (no memory, or a limit refuses).
[[nodiscard]] Result<MutableBytes> map_anonymous(std::uint64_t size);

// Gives memory of map_anonymous() back. `bytes` is exactly what it returned.
void unmap_anonymous(MutableBytes bytes) noexcept;

}  // namespace wpack::os
