#include "os/staged_directory.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <utility>

#include "os/file.h"
#include "os/os_error.h"
#include "wpack/text.h"

namespace wpack::os {
namespace {

bool exists(const UniqueFd& parent, const std::string& name) {
  struct stat status {};
  return ::fstatat(parent.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0;
}

UniqueFd open_entry(const UniqueFd& parent, const std::string& name) {
  return UniqueFd(
      ::openat(parent.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

}  // namespace

Result<StagedDirectory> StagedDirectory::create(const std::string& target, std::string marker,
                                                ExistingTarget existing) {
  StagedDirectory staged;
  std::filesystem::path path = std::filesystem::path(target).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();
  staged.target_name_ = path.filename().string();
  staged.parent_path_ = path.has_parent_path() ? path.parent_path().string() : ".";
  staged.label_ = escape_name(target);
  staged.marker_ = std::move(marker);
  staged.existing_ = existing;
  if (staged.target_name_.empty() || staged.target_name_ == "." || staged.target_name_ == "..") {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("{}: names no new directory", staged.label_));
  }
  WPACK_ASSIGN(staged.parent_, open_directory(staged.parent_path_));
  WPACK_TRY(staged.check_target());
  staged.swept_ = sweep_directories(staged.parent_, staged.target_name_, staged.marker_);
  WPACK_ASSIGN(Temporary<UniqueFd> temporary,
               create_temporary_directory(staged.parent_, staged.target_name_, staged.label_));
  staged.directory_ = std::move(temporary.handle);
  staged.staging_name_ = std::move(temporary.name);
  return staged;
}

StagedDirectory::StagedDirectory(StagedDirectory&& other) noexcept
    : parent_(std::move(other.parent_)),
      directory_(std::move(other.directory_)),
      parent_path_(std::move(other.parent_path_)),
      target_name_(std::move(other.target_name_)),
      staging_name_(std::exchange(other.staging_name_, {})),
      label_(std::move(other.label_)),
      marker_(std::move(other.marker_)),
      existing_(other.existing_),
      swept_(std::move(other.swept_)),
      kept_(std::move(other.kept_)) {}

StagedDirectory::~StagedDirectory() {
  if (!staging_name_.empty()) (void)remove_directory(parent_, staging_name_, marker_);
}

Status StagedDirectory::check_target() const {
  if (!exists(parent_, target_name_)) return {};
  if (existing_ == ExistingTarget::kRefuse) return exists_error(label_);
  const UniqueFd old = open_entry(parent_, target_name_);
  if (old.valid() && exists(old, marker_)) return {};
  return Error(ErrorCode::kIo, EEXIST,
               fmt::format("{}: exists and is not a container, so it is not replaced", label_));
}

std::string StagedDirectory::staging_path() const {
  return (std::filesystem::path(parent_path_) / staging_name_).string();
}

Status StagedDirectory::publish() {
  WPACK_TRY(sync_directory(directory_, label_));
  const int error = rename_without_replacing();
  if (error == EEXIST) return replace();
  if (error != 0) return os_error(error, "rename", label_);
  staging_name_.clear();
  return sync_directory(parent_, label_);
}

// Returns errno, or 0.
int StagedDirectory::rename_without_replacing() const {
  if (::renameat2(parent_.get(), staging_name_.c_str(), parent_.get(), target_name_.c_str(),
                  RENAME_NOREPLACE) == 0)
    return 0;
  if (errno != EINVAL && errno != ENOSYS) return errno;
  // A directory can only replace an empty one, so a plain rename loses nothing either.
  if (exists(parent_, target_name_)) return EEXIST;
  const int result =
      ::renameat(parent_.get(), staging_name_.c_str(), parent_.get(), target_name_.c_str());
  return result == 0 ? 0 : errno;
}

Status StagedDirectory::replace() {
  WPACK_TRY(check_target());
  // Under its temporary name the old directory must not look like a leaving until it may go.
  const UniqueFd old = open_entry(parent_, target_name_);
  (void)try_lock(old.get(), LockKind::kExclusive);
  if (::renameat2(parent_.get(), staging_name_.c_str(), parent_.get(), target_name_.c_str(),
                  RENAME_EXCHANGE) != 0) {
    const int error = errno;
    if (error != EINVAL && error != ENOSYS) return os_error(error, "exchange", label_);
    return Error(ErrorCode::kUnsupportedHost, error,
                 fmt::format("{}: cannot be replaced atomically: this file system cannot exchange "
                             "two names",
                             label_));
  }
  kept_ = std::exchange(staging_name_, {});
  WPACK_TRY(sync_directory(parent_, label_));
  if (remove_directory(parent_, *kept_, marker_)) kept_.reset();
  return {};
}

}  // namespace wpack::os
