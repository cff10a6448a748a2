#include "os/atomic_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/fs.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <string_view>
#include <utility>

#include "os/os_error.h"
#include "wpack/text.h"

namespace wpack::os {
namespace {

constexpr std::size_t kMaxNameSize = 255;  // of one name on Linux's file systems
constexpr int kMaxAttempts = 16;           // at a random name that is free

struct SplitPath {
  std::string directory;
  std::string name;
};

SplitPath split(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return {".", path};
  return {slash == 0 ? "/" : path.substr(0, slash), path.substr(slash + 1)};
}

Result<std::string> make_temporary_name(std::string_view name) {
  std::uint32_t random = 0;
  if (::getrandom(&random, sizeof(random), 0) != static_cast<ssize_t>(sizeof(random)))
    return os_error(errno, "getrandom", escape_name(name));
  constexpr std::size_t kAffixSize = 14;  // ".", ".xxxxxxxx", ".tmp"
  return fmt::format(".{}.{:08x}.tmp", name.substr(0, kMaxNameSize - kAffixSize), random);
}

Error exists_error(const std::string& label) {
  return {ErrorCode::kIo, EEXIST, fmt::format("{}: already exists", label)};
}

// Says early what commit() would find after all the work.
Status check_target(const UniqueFd& directory, const std::string& name, const std::string& label,
                    ExistingFile existing) {
  struct stat status {};
  if (::fstatat(directory.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
    if (errno == ENOENT) return {};
    return os_error(errno, "stat", label);
  }
  if (S_ISDIR(status.st_mode))
    return Error(ErrorCode::kIo, EISDIR, fmt::format("{}: is a directory", label));
  if (existing == ExistingFile::kRefuse) return exists_error(label);
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
  return ::unlinkat(directory.get(), from.c_str(), 0) == 0 ? 0 : errno;
}

AtomicFile::AtomicFile(UniqueFd directory, File file, std::string name, std::string temporary_name,
                       ExistingFile existing)
    : directory_(std::move(directory)),
      file_(std::move(file)),
      name_(std::move(name)),
      temporary_name_(std::move(temporary_name)),
      existing_(existing) {}

AtomicFile::AtomicFile(AtomicFile&& other) noexcept
    : directory_(std::move(other.directory_)),
      file_(std::move(other.file_)),
      name_(std::move(other.name_)),
      temporary_name_(std::exchange(other.temporary_name_, {})),
      existing_(other.existing_) {}

AtomicFile::~AtomicFile() {
  if (!temporary_name_.empty()) (void)::unlinkat(directory_.get(), temporary_name_.c_str(), 0);
}

Result<AtomicFile> AtomicFile::create(const std::string& path, ExistingFile existing) {
  const std::string label = escape_name(path);
  SplitPath target = split(path);
  if (target.name.empty() || target.name == "." || target.name == "..")
    return Error(ErrorCode::kInvalidArgument, fmt::format("{}: names no file", label));
  WPACK_ASSIGN(UniqueFd directory, open_directory(target.directory));
  WPACK_TRY(check_target(directory, target.name, label, existing));
  for (int attempt = 1;; ++attempt) {
    WPACK_ASSIGN(std::string temporary_name, make_temporary_name(target.name));
    auto file = File::create_at(directory, temporary_name, label);
    if (!file && file.error().system_errno() == EEXIST && attempt < kMaxAttempts) continue;
    if (!file) return std::move(file).error();
    return AtomicFile(std::move(directory), *std::move(file), std::move(target.name),
                      std::move(temporary_name), existing);
  }
}

Status AtomicFile::commit() {
  WPACK_TRY(file_.sync());
  const int error = existing_ == ExistingFile::kReplace
                        ? rename_replacing(directory_, temporary_name_, name_)
                        : rename_without_replacing(directory_, temporary_name_, name_);
  if (error == EEXIST) return exists_error(file_.label());
  if (error != 0) return os_error(error, "rename", file_.label());
  temporary_name_.clear();
  if (::fsync(directory_.get()) != 0)
    return os_error(errno, "fsync of the directory", file_.label());
  return {};
}

}  // namespace wpack::os
