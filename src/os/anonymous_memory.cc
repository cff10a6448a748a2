#include "os/anonymous_memory.h"

#include <fmt/format.h>
#include <sys/mman.h>

#include <cerrno>

#include "os/os_error.h"

namespace wpack::os {
namespace {

constexpr std::uint64_t kHugePageSize = std::uint64_t{2} << 20;

}  // namespace

Result<MutableBytes> map_anonymous(std::uint64_t size) {
  void* address = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (address == MAP_FAILED) {
    const int error = errno;
    return Error(ErrorCode::kLimit, error,
                 fmt::format("allocation of {} bytes failed: {}", size, errno_text(error)));
  }
  if (size >= kHugePageSize) (void)::madvise(address, size, MADV_HUGEPAGE);
  return MutableBytes(static_cast<std::byte*>(address), size);
}

void unmap_anonymous(MutableBytes bytes) noexcept { ::munmap(bytes.data(), bytes.size()); }

}  // namespace wpack::os
