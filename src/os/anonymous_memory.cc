#include "os/anonymous_memory.h"

#include <fmt/format.h>
#include <sys/mman.h>

#include <cerrno>

#include "base/align.h"
#include "os/os_error.h"
#include "os/page_size.h"

// Declared by <linux/mman.h>: log2 of the page size, in the bits from 26 on.
#ifndef MAP_HUGE_2MB
#define MAP_HUGE_2MB (21U << 26U)
#endif

// Declared by <linux/mman.h> of 5.14 and later; older headers lack it, older kernels refuse it.
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

namespace wpack::os {
namespace {

Result<MutableBytes> map(std::uint64_t size, int flags) {
  void* address =
      ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
  if (address == MAP_FAILED) {
    const int error = errno;
    return Error(ErrorCode::kLimit, error,
                 fmt::format("allocation of {} bytes failed: {}", size, errno_text(error)));
  }
  return MutableBytes(static_cast<std::byte*>(address), size);
}

// Memory that begins at a multiple of a huge page: a little more is mapped, and its ends are given
// back.
Result<MutableBytes> map_aligned(std::uint64_t size) {
  const auto room = base::checked_add(size, kHugePageSize);
  if (!room) return Error(ErrorCode::kLimit, fmt::format("allocation of {} bytes failed", size));
  WPACK_ASSIGN(const MutableBytes all, map(*room, 0));
  const std::uint64_t misaligned = reinterpret_cast<std::uintptr_t>(all.data()) % kHugePageSize;
  const std::uint64_t skipped = misaligned == 0 ? 0 : kHugePageSize - misaligned;
  const MutableBytes wanted = all.subspan(skipped, size);
  if (skipped > 0) unmap_anonymous(all.first(skipped));
  unmap_anonymous(all.subspan(skipped + size));
  (void)::madvise(wanted.data(), wanted.size(), MADV_HUGEPAGE);
  return wanted;
}

std::uint64_t place_in_page(const std::byte* address) noexcept {
  return reinterpret_cast<std::uintptr_t>(address) % system_page_size();
}

}  // namespace

Result<MutableBytes> map_anonymous(std::uint64_t size) {
  return page_kind_of(size) == PageKind::kHugeAsked ? map_aligned(size) : map(size, 0);
}

Result<MutableBytes> map_small_pages(std::uint64_t size) {
  WPACK_ASSIGN(const MutableBytes bytes, map(size, 0));
  (void)::madvise(bytes.data(), bytes.size(), MADV_NOHUGEPAGE);
  return bytes;
}

Result<MutableBytes> map_huge_tlb(std::uint64_t size) {
  return map(size, static_cast<int>(MAP_HUGETLB | MAP_HUGE_2MB));
}

bool fault_in(MutableBytes bytes) noexcept {
  const std::uint64_t before = place_in_page(bytes.data());
  int result = 0;
  do {
    result = ::madvise(bytes.data() - before, bytes.size() + before, MADV_POPULATE_WRITE);
  } while (result != 0 && errno == EINTR);
  return result == 0;
}

bool ends_faulted_in(MutableBytes bytes) noexcept {
  if (bytes.empty()) return true;
  std::byte* const last = &bytes.back();
  unsigned char resident = 1;
  return ::mincore(last - place_in_page(last), 1, &resident) != 0 || (resident & 1U) != 0;
}

void unmap_anonymous(MutableBytes bytes) noexcept { ::munmap(bytes.data(), bytes.size()); }

}  // namespace wpack::os
