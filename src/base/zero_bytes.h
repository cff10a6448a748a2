// Reserved bytes and padding: nothing but zeros.
#pragma once

#include <cstring>

#include "wpack/types.h"

namespace wpack::base {

// True if every byte is zero: the first is, and each is equal to the one before it, which memcmp
// finds out at the speed of memory.
[[nodiscard]] inline bool all_zero(Bytes bytes) noexcept {
  return bytes.empty() || (bytes.front() == std::byte{0} &&
                           std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

}  // namespace wpack::base
