#include "os/residency.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <vector>

#include "base/align.h"
#include "os/os_error.h"
#include "os/page_size.h"

// The number is the same on every architecture; headers of before Linux 6.5 lack it.
#ifndef SYS_cachestat
#define SYS_cachestat 451
#endif

namespace wpack::os {
namespace {

// As <linux/mman.h> of 6.5 declares them.
struct CacheStatRange {
  std::uint64_t offset;
  std::uint64_t size;
};
struct CacheStat {
  std::uint64_t cached;  // pages
  std::uint64_t dirty;
  std::uint64_t writeback;
  std::uint64_t evicted;
  std::uint64_t recently_evicted;
};

// Shorter ranges are looked at whole. The kernel walks over every page: 10 ms a gigabyte.
constexpr std::uint64_t kSampleCount = 64;
constexpr std::uint64_t kSampleSize = std::uint64_t{256} << 10;

Error failed_call(int error, std::string_view call) {
  return {ErrorCode::kUnsupportedHost, error,
          fmt::format("{} failed: {}", call, errno_text(error))};
}

// The kernel answers mincore(2) for the file of somebody else as if every page were there.
bool is_told_the_truth(int fd) noexcept {
  struct stat status {};
  if (::fstat(fd, &status) != 0) return false;
  const uid_t user = ::geteuid();
  if (user == 0 || user == status.st_uid) return true;
  const std::string path = "/proc/self/fd/" + std::to_string(fd);
  return ::faccessat(AT_FDCWD, path.c_str(), W_OK, AT_EACCESS) == 0;
}

ByteRange whole_pages_around(ByteRange range) {
  const std::uint64_t page = system_page_size();
  return {base::align_down(range.begin, page), base::align_up(range.end, page)};
}

using Look = Fact<std::uint64_t> (*)(int fd, ByteRange range);

// The mean of pieces that are spread evenly stands for all.
Fact<std::uint64_t> sampled(Look look, int fd, ByteRange range) {
  if (range.size() <= kSampleCount * kSampleSize) return look(fd, range);
  const std::uint64_t step = (range.size() - kSampleSize) / (kSampleCount - 1);
  std::uint64_t resident = 0;
  for (std::uint64_t i = 0; i < kSampleCount; ++i) {
    const std::uint64_t begin = base::align_down(range.begin + i * step, system_page_size());
    WPACK_ASSIGN(const std::uint64_t found, look(fd, {begin, begin + kSampleSize}));
    resident += found;
  }
  const double share =
      static_cast<double>(resident) / static_cast<double>(kSampleCount * kSampleSize);
  return static_cast<std::uint64_t>(share * static_cast<double>(range.size()));
}

}  // namespace

Fact<std::uint64_t> resident_by_cachestat(int fd, ByteRange range) {
  if (range.size() == 0) return std::uint64_t{0};
  const CacheStatRange wanted{range.begin, range.size()};
  CacheStat found{};
  if (::syscall(SYS_cachestat, fd, &wanted, &found, 0U) != 0)
    return failed_call(errno, "cachestat");
  return std::min(found.cached * system_page_size(), range.size());
}

Fact<std::uint64_t> resident_by_mincore(int fd, ByteRange range) {
  if (range.size() == 0) return std::uint64_t{0};
  if (!is_told_the_truth(fd)) {
    return Error(ErrorCode::kUnsupportedHost,
                 "the kernel tells what is in the page cache only to those who own the file or may "
                 "write it");
  }
  const ByteRange pages = whole_pages_around(range);
  void* const address = ::mmap(nullptr, pages.size(), PROT_READ, MAP_SHARED | MAP_NORESERVE, fd,
                               static_cast<off_t>(pages.begin));
  if (address == MAP_FAILED) return failed_call(errno, "mmap");
  std::vector<unsigned char> states(pages.size() / system_page_size());
  const int result = ::mincore(address, pages.size(), states.data());
  const int error = errno;
  ::munmap(address, pages.size());
  if (result != 0) return failed_call(error, "mincore");
  const auto count = static_cast<std::uint64_t>(
      std::ranges::count_if(states, [](unsigned char state) { return (state & 1U) != 0; }));
  return std::min(count * system_page_size(), range.size());
}

Fact<std::uint64_t> resident_bytes(int fd, ByteRange range) {
  auto found = sampled(resident_by_cachestat, fd, range);
  if (found) return found;
  auto fallback = sampled(resident_by_mincore, fd, range);
  if (fallback) return fallback;
  return Error(ErrorCode::kUnsupportedHost,
               fmt::format("{}; {}", found.error().message(), fallback.error().message()));
}

}  // namespace wpack::os
