#include "os/staged_directory.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <utility>

#include "os/file.h"
#include "os/os_error.h"
#include "wpack/text.h"

namespace wpack::os {
namespace {

constexpr std::size_t kSuffixDigits = 16;
constexpr int kMaxAttempts = 16;

Result<std::string> random_suffix() {
  std::uint64_t number = 0;
  if (::getrandom(&number, sizeof number, 0) != sizeof number)
    return os_error(errno, "getrandom", "temporary name");
  return fmt::format("{:016x}", number);
}

// Removes a directory and everything below it, never following a link. Best effort.
void remove_tree(const UniqueFd& parent, const std::string& name) {
  const UniqueFd directory(
      ::openat(parent.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (directory.valid()) {
    for (const std::string& entry : list_directory(directory)) {
      if (::unlinkat(directory.get(), entry.c_str(), 0) != 0 && errno == EISDIR)
        remove_tree(directory, entry);
    }
  }
  ::unlinkat(parent.get(), name.c_str(), AT_REMOVEDIR);
}

bool still_there(const UniqueFd& parent, const std::string& name, const UniqueFd& directory) {
  struct stat by_name {};
  struct stat by_fd {};
  return ::fstatat(parent.get(), name.c_str(), &by_name, AT_SYMLINK_NOFOLLOW) == 0 &&
         ::fstat(directory.get(), &by_fd) == 0 && by_name.st_ino == by_fd.st_ino &&
         by_name.st_dev == by_fd.st_dev;
}

bool exists(const UniqueFd& parent, const std::string& name) {
  struct stat status {};
  const int saved = errno;
  const bool found = ::fstatat(parent.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0;
  errno = saved;
  return found;
}

Status sync_directory(const UniqueFd& directory, const std::string& label) {
  if (::fsync(directory.get()) != 0) return os_error(errno, "fsync of directory", label);
  return {};
}

Error exists_error(const std::string& label) {
  return {ErrorCode::kIo, EEXIST, fmt::format("{}: already exists", label)};
}

}  // namespace

Result<StagedDirectory> StagedDirectory::create(const std::string& target,
                                                const std::optional<std::string>& replace_marker) {
  StagedDirectory staged;
  std::filesystem::path path = std::filesystem::path(target).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();
  staged.target_name_ = path.filename().string();
  staged.parent_path_ = path.has_parent_path() ? path.parent_path().string() : ".";
  staged.label_ = escape_name(target);
  staged.replace_marker_ = replace_marker;
  if (staged.target_name_.empty() || staged.target_name_ == "." || staged.target_name_ == "..") {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("{}: names no new directory", staged.label_));
  }
  WPACK_ASSIGN(staged.parent_, open_directory(staged.parent_path_));
  WPACK_TRY(staged.check_target());
  staged.sweep();
  WPACK_TRY(staged.make_locked_directory());
  return staged;
}

StagedDirectory::StagedDirectory(StagedDirectory&& other) noexcept
    : parent_(std::move(other.parent_)),
      directory_(std::move(other.directory_)),
      parent_path_(std::move(other.parent_path_)),
      target_name_(std::move(other.target_name_)),
      staging_name_(std::exchange(other.staging_name_, {})),
      label_(std::move(other.label_)),
      replace_marker_(std::move(other.replace_marker_)),
      swept_(std::move(other.swept_)) {}

StagedDirectory::~StagedDirectory() {
  if (!staging_name_.empty()) remove_tree(parent_, staging_name_);
}

Status StagedDirectory::check_target() const {
  if (!exists(parent_, target_name_)) return {};
  if (!replace_marker_) return exists_error(label_);
  const UniqueFd old(::openat(parent_.get(), target_name_.c_str(),
                              O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (old.valid() && exists(old, *replace_marker_)) return {};
  return Error(ErrorCode::kIo, EEXIST,
               fmt::format("{}: exists and is not a container, so it is not replaced", label_));
}

std::string StagedDirectory::staging_prefix() const {
  return fmt::format(".{}.wpack-tmp-", target_name_);
}

std::string StagedDirectory::staging_path() const {
  return (std::filesystem::path(parent_path_) / staging_name_).string();
}

void StagedDirectory::sweep() {
  const std::string prefix = staging_prefix();
  for (const std::string& name : list_directory(parent_)) {
    if (name.size() != prefix.size() + kSuffixDigits || !name.starts_with(prefix)) continue;
    const UniqueFd directory(
        ::openat(parent_.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!directory.valid() || ::flock(directory.get(), LOCK_EX | LOCK_NB) != 0) continue;
    remove_tree(parent_, name);
    swept_.push_back(name);
  }
}

Status StagedDirectory::make_locked_directory() {
  for (int attempt = 0; attempt < kMaxAttempts; ++attempt) {
    WPACK_ASSIGN(const std::string suffix, random_suffix());
    const std::string name = staging_prefix() + suffix;
    if (::mkdirat(parent_.get(), name.c_str(), 0777) != 0) {
      if (errno == EEXIST) continue;
      return os_error(errno, "create directory", label_);
    }
    UniqueFd directory(
        ::openat(parent_.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    const bool locked = directory.valid() && ::flock(directory.get(), LOCK_EX | LOCK_NB) == 0 &&
                        still_there(parent_, name, directory);
    if (!locked) {
      ::unlinkat(parent_.get(), name.c_str(), AT_REMOVEDIR);
      continue;
    }
    directory_ = std::move(directory);
    staging_name_ = name;
    return {};
  }
  return Error(ErrorCode::kIo,
               fmt::format("{}: cannot create and lock a temporary directory beside it", label_));
}

Status StagedDirectory::publish() {
  WPACK_TRY(sync_directory(directory_, label_));
  WPACK_TRY(rename_into_place());
  return sync_directory(parent_, label_);
}

Status StagedDirectory::rename_into_place() {
  int result = ::renameat2(parent_.get(), staging_name_.c_str(), parent_.get(),
                           target_name_.c_str(), RENAME_NOREPLACE);
  if (result != 0 && (errno == EINVAL || errno == ENOSYS)) {
    // A directory can only replace an empty one, so a plain rename loses nothing either.
    errno = EEXIST;
    if (!exists(parent_, target_name_)) {
      result =
          ::renameat(parent_.get(), staging_name_.c_str(), parent_.get(), target_name_.c_str());
    }
  }
  if (result == 0) {
    staging_name_.clear();
    return {};
  }
  const int error = errno;
  if (error != EEXIST) return os_error(error, "rename", label_);
  WPACK_TRY(check_target());
  return exchange_with_target();
}

Status StagedDirectory::exchange_with_target() {
  if (::renameat2(parent_.get(), staging_name_.c_str(), parent_.get(), target_name_.c_str(),
                  RENAME_EXCHANGE) != 0) {
    const int error = errno;
    if (error != EINVAL && error != ENOSYS) return os_error(error, "exchange", label_);
    return Error(ErrorCode::kUnsupportedHost, error,
                 fmt::format("{}: cannot be replaced atomically: this file system cannot exchange "
                             "two names",
                             label_));
  }
  remove_tree(parent_, std::exchange(staging_name_, {}));
  return {};
}

}  // namespace wpack::os
