// Making memory that nobody owns show itself when it is used.
#pragma once

#include <algorithm>
#include <cstddef>

#include "wpack/types.h"

#if defined(__SANITIZE_ADDRESS__)
#define WPACK_INTERNAL_ADDRESS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WPACK_INTERNAL_ADDRESS_SANITIZER 1
#endif
#endif
#ifdef WPACK_INTERNAL_ADDRESS_SANITIZER
#include <sanitizer/asan_interface.h>
#endif

namespace wpack::staging {

inline constexpr std::byte kPoison{0xDB};

#ifdef NDEBUG
inline constexpr bool kFillsPoison = false;
#else
inline constexpr bool kFillsPoison = true;
#endif

// Memory is unpoisoned before it goes back to where it came from.
inline void poison(MutableBytes bytes) noexcept {
  if constexpr (kFillsPoison) std::ranges::fill(bytes, kPoison);
#ifdef WPACK_INTERNAL_ADDRESS_SANITIZER
  ASAN_POISON_MEMORY_REGION(bytes.data(), bytes.size());
#endif
}

inline void unpoison([[maybe_unused]] MutableBytes bytes) noexcept {
#ifdef WPACK_INTERNAL_ADDRESS_SANITIZER
  ASAN_UNPOISON_MEMORY_REGION(bytes.data(), bytes.size());
#endif
}

}  // namespace wpack::staging
