#include "staging/poison.h"

#include <algorithm>

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

bool poison_fills() noexcept {
#ifdef NDEBUG
  return false;
#else
  return true;
#endif
}

void poison(MutableBytes bytes) noexcept {
  if (poison_fills()) std::ranges::fill(bytes, kPoison);
#ifdef WPACK_INTERNAL_ADDRESS_SANITIZER
  ASAN_POISON_MEMORY_REGION(bytes.data(), bytes.size());
#endif
}

void unpoison([[maybe_unused]] MutableBytes bytes) noexcept {
#ifdef WPACK_INTERNAL_ADDRESS_SANITIZER
  ASAN_UNPOISON_MEMORY_REGION(bytes.data(), bytes.size());
#endif
}

}  // namespace wpack::staging
