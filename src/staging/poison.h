// Making memory that nobody owns show itself when it is used.
#pragma once

#include <cstddef>

#include "wpack/types.h"

namespace wpack::staging {

inline constexpr std::byte kPoison{0xDB};

// Whether this build also fills poisoned memory with kPoison: where assertions are on.
[[nodiscard]] bool poison_fills() noexcept;

// Under AddressSanitizer, whoever then reads or writes `bytes` is reported. Memory is unpoisoned
// before it goes back to where it came from.
void poison(MutableBytes bytes) noexcept;

void unpoison(MutableBytes bytes) noexcept;

}  // namespace wpack::staging
