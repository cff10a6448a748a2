#include "os/direct_io.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <optional>

#include "base/align.h"
#include "os/extended_status.h"
#include "os/os_error.h"

namespace wpack::os {
namespace {

constexpr std::uint64_t kFallbackAlignment = 4096;

Error refused(std::string_view label, std::string_view why) {
  return {ErrorCode::kUnsupportedHost, EINVAL,
          fmt::format("{}: direct reads are not possible: {}", label, why)};
}

// Through /proc, since a name may lead to another file by now.
Result<UniqueFd> open_again(int file, std::string_view label) {
  const std::string path = fmt::format("/proc/self/fd/{}", file);
  UniqueFd fd;
  do {
    fd = UniqueFd(::open(path.c_str(), O_RDONLY | O_DIRECT | O_CLOEXEC));
  } while (!fd.valid() && errno == EINTR);
  if (fd.valid()) return fd;
  switch (const int error = errno; error) {
    case EINVAL:
    case EOPNOTSUPP:
      return refused(label, "the file system refuses O_DIRECT");
    case ENOENT:
      return refused(label, "/proc is not mounted");
    default:
      return os_error(error, "open for direct reads", label);
  }
}

// What the kernel says, if it says something; zero where it says that there are no direct reads.
std::optional<DirectAlignment> stated_alignment(const UniqueFd& fd) {
  const auto status = ExtendedStatus::of(fd.get());
  if (!status || !status->has(ExtendedStatus::kDirectAlignment)) return std::nullopt;
  return DirectAlignment{.offset = status->offset_alignment(),
                         .memory = status->memory_alignment()};
}

// Some file systems accept O_DIRECT and refuse the reads.
Status prove(std::string_view label, const UniqueFd& fd) {
  alignas(kFallbackAlignment) std::byte block[kFallbackAlignment];
  ssize_t got = 0;
  do {
    got = ::pread(fd.get(), block, sizeof block, 0);
  } while (got < 0 && errno == EINTR);
  if (got >= 0) return {};
  const int error = errno;
  if (error == EINVAL || error == EOPNOTSUPP) return refused(label, "a read of 4096 bytes fails");
  return transfer_error(error, "direct read", sizeof block, 0).in(label);
}

}  // namespace

Result<DirectFile> open_direct(int file, std::string_view label) {
  WPACK_ASSIGN(UniqueFd fd, open_again(file, label));
  struct stat first {};
  struct stat second {};
  if (::fstat(file, &first) != 0 || ::fstat(fd.get(), &second) != 0)
    return os_error(errno, "stat", label);
  if (first.st_dev != second.st_dev || first.st_ino != second.st_ino)
    return refused(label, "/proc leads to another file");
  if (const auto alignment = stated_alignment(fd)) {
    if (!base::is_power_of_two(alignment->offset) || !base::is_power_of_two(alignment->memory))
      return refused(label, "the kernel has none for this file");
    return DirectFile{std::move(fd), *alignment};
  }
  WPACK_TRY(prove(label, fd));
  return DirectFile{std::move(fd), {.offset = kFallbackAlignment, .memory = kFallbackAlignment}};
}

}  // namespace wpack::os
