#include "os/mapped_region.h"

#include <fmt/format.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/align.h"
#include "os/os_error.h"
#include "os/page_size.h"

// Declared by <linux/mman.h> of 5.14 and later; older headers lack it, older kernels refuse it.
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif

namespace wpack::os {
namespace {

ByteRange widened_to_pages(ByteRange range, std::uint64_t limit) {
  const std::uint64_t page = system_page_size();
  const std::uint64_t end = std::min(range.end, limit);
  const std::uint64_t begin = std::min(base::align_down(range.begin, page), end);
  return {begin, end};
}

}  // namespace

MappedRegion::MappedRegion(MappedRegion&& other) noexcept
    : bytes_(std::exchange(other.bytes_, {})) {}

MappedRegion& MappedRegion::operator=(MappedRegion&& other) noexcept {
  std::swap(bytes_, other.bytes_);
  return *this;
}

MappedRegion::~MappedRegion() {
  if (!bytes_.empty()) ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

Result<MappedRegion> MappedRegion::map(int fd, std::uint64_t size) {
  if (size == 0) return Error(ErrorCode::kInvalidArgument, "map of 0 bytes");
  void* address = ::mmap(nullptr, size, PROT_READ, MAP_SHARED | MAP_NORESERVE, fd, 0);
  if (address == MAP_FAILED) {
    const int error = errno;
    return Error(ErrorCode::kUnsupportedHost, error,
                 fmt::format("map of {} bytes failed: {}", size, errno_text(error)));
  }
  return MappedRegion(Bytes(static_cast<const std::byte*>(address), size));
}

Status MappedRegion::populate(ByteRange range) const {
  range = widened_to_pages(range, bytes_.size());
  if (range.size() == 0) return {};
  auto* address = const_cast<std::byte*>(bytes_.data()) + range.begin;
  int result = 0;
  do {
    result = ::madvise(address, range.size(), MADV_POPULATE_READ);
  } while (result != 0 && errno == EINTR);
  if (result == 0) return {};
  const int error = errno;
  if (error == EINVAL) {
    will_need(range);
    return {};
  }
  return Error(code_of_errno(error), error,
               fmt::format("read-in of {} bytes at offset {} failed: {}", range.size(), range.begin,
                           errno_text(error)));
}

void MappedRegion::touch(ByteRange range) const noexcept {
  range = widened_to_pages(range, bytes_.size());
  const volatile std::byte* bytes = bytes_.data();
  const std::uint64_t page = system_page_size();
  for (std::uint64_t at = range.begin; at < range.end; at += page) (void)bytes[at];
}

// The advice is looked at before the range, so that an empty one tells whether it is known.
bool MappedRegion::can_populate() noexcept {
  return ::madvise(nullptr, 0, MADV_POPULATE_READ) == 0;
}

void MappedRegion::will_need(ByteRange range) const noexcept {
  range = widened_to_pages(range, bytes_.size());
  if (range.size() == 0) return;
  (void)::madvise(const_cast<std::byte*>(bytes_.data()) + range.begin, range.size(), MADV_WILLNEED);
}

void MappedRegion::dont_need(ByteRange range) const noexcept {
  const std::uint64_t page = system_page_size();
  const std::uint64_t begin = base::align_up(range.begin, page);
  const std::uint64_t end =
      base::align_down(std::min<std::uint64_t>(range.end, bytes_.size()), page);
  if (begin >= end) return;
  (void)::madvise(const_cast<std::byte*>(bytes_.data()) + begin, end - begin, MADV_DONTNEED);
}

}  // namespace wpack::os
