#include "os/atomic_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/fs.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <utility>

#include "os/os_error.h"
#include "wpack/text.h"

namespace wpack::os {
namespace {

struct SplitPath {
  std::string directory;
  std::string name;
};

SplitPath split(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return {".", path};
  return {slash == 0 ? "/" : path.substr(0, slash), path.substr(slash + 1)};
}

// Says early what commit() would find after all the work.
Status check_target(const UniqueFd& directory, const std::string& name, const std::string& label,
                    ExistingTarget existing) {
  struct stat status {};
  if (::fstatat(directory.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
    if (errno == ENOENT) return {};
    return os_error(errno, "stat", label);
  }
  if (S_ISDIR(status.st_mode))
    return Error(ErrorCode::kIo, EISDIR, fmt::format("{}: is a directory", label));
  if (existing == ExistingTarget::kRefuse) return exists_error(label);
  return {};
}

int rename_without_replacing(const UniqueFd& directory, const std::string& from,
                             const std::string& to) {
  if (::renameat2(directory.get(), from.c_str(), directory.get(), to.c_str(), RENAME_NOREPLACE) ==
      0)
    return 0;
  if (errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP)
    return rename_by_linking(directory, from, to);
  return errno;
}

int rename_replacing(const UniqueFd& directory, const std::string& from, const std::string& to) {
  const int result = ::renameat(directory.get(), from.c_str(), directory.get(), to.c_str());
  return result == 0 ? 0 : errno;
}

}  // namespace

int rename_by_linking(const UniqueFd& directory, const std::string& from,
                      const std::string& to) noexcept {
  if (::linkat(directory.get(), from.c_str(), directory.get(), to.c_str(), 0) != 0) return errno;
  // The file has its name now. A second one that cannot be removed is swept like any leaving.
  (void)::unlinkat(directory.get(), from.c_str(), 0);
  return 0;
}

AtomicFile::AtomicFile(AtomicFile&& other) noexcept
    : directory_(std::move(other.directory_)),
      file_(std::move(other.file_)),
      name_(std::move(other.name_)),
      temporary_name_(std::exchange(other.temporary_name_, {})),
      existing_(other.existing_),
      swept_(std::move(other.swept_)) {}

AtomicFile::~AtomicFile() {
  if (!temporary_name_.empty()) (void)::unlinkat(directory_.get(), temporary_name_.c_str(), 0);
}

Result<AtomicFile> AtomicFile::create(const std::string& path, ExistingTarget existing) {
  const std::string label = escape_name(path);
  SplitPath target = split(path);
  if (target.name.empty() || target.name == "." || target.name == "..")
    return Error(ErrorCode::kInvalidArgument, fmt::format("{}: names no file", label));
  AtomicFile atomic;
  WPACK_ASSIGN(atomic.directory_, open_directory(target.directory));
  WPACK_TRY(check_target(atomic.directory_, target.name, label, existing));
  atomic.swept_ = sweep_files(atomic.directory_, target.name);
  WPACK_ASSIGN(Temporary<File> temporary,
               create_temporary_file(atomic.directory_, target.name, label));
  atomic.file_ = std::move(temporary.handle);
  atomic.temporary_name_ = std::move(temporary.name);
  atomic.name_ = std::move(target.name);
  atomic.existing_ = existing;
  return atomic;
}

Status AtomicFile::commit() {
  WPACK_TRY(file_.sync());
  const int error = existing_ == ExistingTarget::kReplace
                        ? rename_replacing(directory_, temporary_name_, name_)
                        : rename_without_replacing(directory_, temporary_name_, name_);
  if (error == EEXIST) return exists_error(file_.label());
  if (error != 0) return os_error(error, "rename", file_.label());
  temporary_name_.clear();
  return sync_directory(directory_, file_.label());
}

}  // namespace wpack::os
