#include "os/temporary.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <string_view>

#include "base/utf8.h"
#include "os/os_error.h"

namespace wpack::os {
namespace {

constexpr std::string_view kMark = ".wpack-tmp-";
constexpr std::size_t kDigits = 16;
constexpr std::size_t kMaxNameSize = 255;  // of one name on Linux's file systems
constexpr int kMaxAttempts = 16;           // at a random name that is free

// The target's name is cut where the whole would be too long for a file system.
std::string prefix_of(std::string_view target) {
  std::size_t size = std::min(target.size(), kMaxNameSize - 1 - kMark.size() - kDigits);
  while (size > 0 && size < target.size() && base::is_utf8_continuation(target[size])) --size;
  return fmt::format(".{}{}", target.substr(0, size), kMark);
}

bool is_temporary(std::string_view name, std::string_view prefix) {
  return name.size() == prefix.size() + kDigits && name.starts_with(prefix) &&
         name.find_first_not_of("0123456789abcdef", prefix.size()) == std::string_view::npos;
}

Result<std::string> random_digits(const std::string& label) {
  std::uint64_t number = 0;
  if (::getrandom(&number, sizeof number, 0) != sizeof number)
    return os_error(errno, "getrandom", label);
  return fmt::format("{:016x}", number);
}

// Removes everything in the directory `name`, and then the directory. Best effort.
void remove_tree(const UniqueFd& parent, const std::string& name) {
  const UniqueFd directory(
      ::openat(parent.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (directory.valid()) {
    for (const std::string& entry : list_directory(directory)) {
      if (::unlinkat(directory.get(), entry.c_str(), 0) != 0 && errno == EISDIR)
        remove_tree(directory, entry);
    }
  }
  (void)::unlinkat(parent.get(), name.c_str(), AT_REMOVEDIR);
}

bool is_absent(const UniqueFd& parent, const std::string& name) {
  struct stat status {};
  return ::fstatat(parent.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0 &&
         errno == ENOENT;
}

int descriptor(const File& file) { return file.fd(); }
int descriptor(const UniqueFd& fd) { return fd.get(); }

// Another writer's sweep may come between creating and locking; then this writer starts again.
template <typename Handle>
Result<Temporary<Handle>> create_locked(
    const UniqueFd& parent, const std::string& target, const std::string& label, int removal_flags,
    const std::function<Result<Handle>(const std::string&)>& create) {
  for (int attempt = 1;; ++attempt) {
    WPACK_ASSIGN(const std::string digits, random_digits(label));
    std::string name = prefix_of(target) + digits;
    Result<Handle> handle = create(name);
    if (!handle) {
      const int error = handle.error().system_errno();
      if ((error == EEXIST || error == ENOENT) && attempt < kMaxAttempts) continue;
      return std::move(handle).error();
    }
    const int error = try_lock(descriptor(*handle), LockKind::kExclusive);
    const bool settled = error == 0 || error == ENOSYS || error == EOPNOTSUPP;
    if (settled && is_entry(parent, name, descriptor(*handle)))
      return Temporary<Handle>{*std::move(handle), std::move(name)};
    (void)::unlinkat(parent.get(), name.c_str(), removal_flags);
    const bool swept = settled || error == EWOULDBLOCK;
    if (!swept || attempt == kMaxAttempts)
      return os_error(swept ? EBUSY : error, "lock of a temporary name", label);
  }
}

// Calls `remove` for everything that is a leaving; returns the names for which it returned true.
std::vector<std::string> sweep(const UniqueFd& parent, const std::string& target, int open_flags,
                               const std::function<bool(const std::string&, int fd)>& remove) {
  std::vector<std::string> swept;
  const std::string prefix = prefix_of(target);
  for (const std::string& name : list_directory(parent)) {
    if (!is_temporary(name, prefix)) continue;
    const UniqueFd fd(::openat(parent.get(), name.c_str(),
                               open_flags | O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (!fd.valid() || try_lock(fd.get(), LockKind::kExclusive) != 0) continue;
    // A writer that finished between the two calls has given the name away.
    if (is_entry(parent, name, fd.get()) && remove(name, fd.get())) swept.push_back(name);
  }
  return swept;
}

}  // namespace

Error exists_error(const std::string& label) {
  return {ErrorCode::kIo, EEXIST, fmt::format("{}: already exists", label)};
}

Result<Temporary<File>> create_temporary_file(const UniqueFd& parent, const std::string& target,
                                              const std::string& label) {
  return create_locked<File>(parent, target, label, 0, [&](const std::string& name) {
    return File::create_at(parent, name, label);
  });
}

Result<Temporary<UniqueFd>> create_temporary_directory(const UniqueFd& parent,
                                                       const std::string& target,
                                                       const std::string& label) {
  const auto create = [&](const std::string& name) -> Result<UniqueFd> {
    if (::mkdirat(parent.get(), name.c_str(), 0777) != 0)
      return os_error(errno, "create directory", label);
    UniqueFd fd(
        ::openat(parent.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (fd.valid()) return fd;
    const int error = errno;
    (void)::unlinkat(parent.get(), name.c_str(), AT_REMOVEDIR);
    return os_error(error, "open of a temporary directory", label);
  };
  return create_locked<UniqueFd>(parent, target, label, AT_REMOVEDIR, create);
}

std::vector<std::string> sweep_files(const UniqueFd& parent, const std::string& target) {
  return sweep(parent, target, 0, [&](const std::string& name, int fd) {
    struct stat status {};
    return ::fstat(fd, &status) == 0 && S_ISREG(status.st_mode) &&
           ::unlinkat(parent.get(), name.c_str(), 0) == 0;
  });
}

std::vector<std::string> sweep_directories(const UniqueFd& parent, const std::string& target,
                                           const std::string& marker) {
  return sweep(parent, target, O_DIRECTORY, [&](const std::string& name, int /*fd*/) {
    return remove_directory(parent, name, marker);
  });
}

bool remove_directory(const UniqueFd& parent, const std::string& name, const std::string& marker) {
  const UniqueFd directory(
      ::openat(parent.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!directory.valid()) return is_absent(parent, name);
  const UniqueFd guard(
      ::openat(directory.get(), marker.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (guard.valid() && try_lock(guard.get(), LockKind::kExclusive) == EWOULDBLOCK) return false;
  // First, so that a reader that is just opening the directory finds it gone, not incomplete.
  (void)::unlinkat(directory.get(), marker.c_str(), 0);
  remove_tree(parent, name);
  return is_absent(parent, name);
}

}  // namespace wpack::os
