#include "os/direct_io.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <optional>

#include "base/align.h"
#include "os/os_error.h"

namespace wpack::os {
namespace {

constexpr std::uint64_t kFallbackAlignment = 4096;

Error refused(const File& file, std::string_view why) {
  return {ErrorCode::kUnsupportedHost, EINVAL,
          fmt::format("{}: direct reads are not possible: {}", file.label(), why)};
}

// Through /proc, since a name may lead to another file by now.
Result<UniqueFd> open_again(const File& file) {
  const std::string path = fmt::format("/proc/self/fd/{}", file.fd());
  UniqueFd fd;
  do {
    fd = UniqueFd(::open(path.c_str(), O_RDONLY | O_DIRECT | O_CLOEXEC));
  } while (!fd.valid() && errno == EINTR);
  if (fd.valid()) return fd;
  switch (const int error = errno; error) {
    case EINVAL:
    case EOPNOTSUPP:
      return refused(file, "the file system refuses O_DIRECT");
    case ENOENT:
      return refused(file, "/proc is not mounted");
    default:
      return os_error(error, "open for direct reads", file.label());
  }
}

// What the kernel says, if it says something; zero where it says that there are no direct reads.
std::optional<DirectAlignment> stated_alignment(const UniqueFd& fd) noexcept {
#ifdef STATX_DIOALIGN
  struct statx status {};
  if (::statx(fd.get(), "", AT_EMPTY_PATH, STATX_DIOALIGN, &status) != 0) return std::nullopt;
  if ((status.stx_mask & STATX_DIOALIGN) == 0) return std::nullopt;
  return DirectAlignment{.offset = status.stx_dio_offset_align, .memory = status.stx_dio_mem_align};
#else
  (void)fd;
  return std::nullopt;
#endif
}

// Some file systems accept O_DIRECT and refuse the reads.
Status prove(const File& file, const UniqueFd& fd) {
  alignas(kFallbackAlignment) std::byte block[kFallbackAlignment];
  ssize_t got = 0;
  do {
    got = ::pread(fd.get(), block, sizeof block, 0);
  } while (got < 0 && errno == EINTR);
  if (got >= 0) return {};
  const int error = errno;
  if (error == EINVAL || error == EOPNOTSUPP) return refused(file, "a read of 4096 bytes fails");
  return transfer_error(error, "direct read", sizeof block, 0).in(file.label());
}

}  // namespace

Result<DirectFile> open_direct(const File& file) {
  WPACK_ASSIGN(UniqueFd fd, open_again(file));
  struct stat first {};
  struct stat second {};
  if (::fstat(file.fd(), &first) != 0 || ::fstat(fd.get(), &second) != 0)
    return os_error(errno, "stat", file.label());
  if (first.st_dev != second.st_dev || first.st_ino != second.st_ino)
    return refused(file, "/proc leads to another file");
  if (const auto alignment = stated_alignment(fd)) {
    if (!base::is_power_of_two(alignment->offset) || !base::is_power_of_two(alignment->memory))
      return refused(file, "the kernel has none for this file");
    return DirectFile{std::move(fd), *alignment};
  }
  WPACK_TRY(prove(file, fd));
  return DirectFile{std::move(fd), {.offset = kFallbackAlignment, .memory = kFallbackAlignment}};
}

}  // namespace wpack::os
