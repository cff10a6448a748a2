// Private memory straight from the system, and straight back to it.
#pragma once

#include <cstdint>

#include "wpack/error.h"
#include "wpack/types.h"

namespace wpack::os {

inline constexpr std::uint64_t kHugePageSize = std::uint64_t{2} << 20;

// What pages memory is made of. The kernel gives transparent huge pages where it can.
enum class PageKind : std::uint8_t { kSmall, kHugeAsked, kHugeTlb };

// Returns `size` > 0 bytes of zeroed private memory, page-aligned, for unmap_anonymous(). From
// 2 MiB on, it begins at a multiple of 2 MiB and the kernel is asked for huge pages. Errors: kLimit
// (no memory, or a limit refuses).
[[nodiscard]] Result<MutableBytes> map_anonymous(std::uint64_t size);
// What map_anonymous(size) returns.
[[nodiscard]] constexpr PageKind page_kind_of(std::uint64_t size) noexcept {
  return size >= kHugePageSize ? PageKind::kHugeAsked : PageKind::kSmall;
}
// The same of small pages alone, which the kernel is asked not to join to huge ones.
[[nodiscard]] Result<MutableBytes> map_small_pages(std::uint64_t size);
// The same from the pages that are reserved for hugetlb; `size` is a multiple of 2 MiB. Errors:
// kLimit (there are too few).
[[nodiscard]] Result<MutableBytes> map_huge_tlb(std::uint64_t size);

// Takes the page faults of first writes to `bytes`, which keep what they hold; other threads may
// write to them, or have the kernel do so, meanwhile. False if the system cannot (before
// Linux 5.14) or has no memory.
[[nodiscard]] bool fault_in(MutableBytes bytes) noexcept;
// True if the page of the last byte has been written to since it was mapped; also where the system
// does not say.
[[nodiscard]] bool ends_faulted_in(MutableBytes bytes) noexcept;

// Gives memory of either back. `bytes` is exactly what was returned, or whole pages at its end.
void unmap_anonymous(MutableBytes bytes) noexcept;

}  // namespace wpack::os
