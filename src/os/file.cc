#include "os/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include "os/os_error.h"
#include "os/read_progress.h"
#include "wpack/text.h"

namespace wpack::os {
namespace {

std::string_view file_kind(mode_t mode) {
  if (S_ISDIR(mode)) return "a directory";
  if (S_ISFIFO(mode)) return "a FIFO";
  if (S_ISSOCK(mode)) return "a socket";
  if (S_ISCHR(mode) || S_ISBLK(mode)) return "a device";
  return "not a regular file";
}

struct CloseDirectory {
  void operator()(DIR* directory) const noexcept { ::closedir(directory); }
};

template <typename Call>
auto retry_interrupted(Call call) {
  for (;;) {
    const auto result = call();
    if (result >= 0 || errno != EINTR) return result;
  }
}

std::int64_t nanoseconds(const timespec& time) {
  return static_cast<std::int64_t>(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
}

}  // namespace

Status read_exact(int fd, std::uint64_t offset, MutableBytes out) {
  return read_fully(::pread, fd, offset, out);
}

Result<File> File::open_regular(int directory, const std::string& name, int flags,
                                std::string label) {
  // O_NONBLOCK keeps a FIFO without a writer from blocking; it means nothing to regular files.
  UniqueFd fd(retry_interrupted([&] {
    return ::openat(directory, name.c_str(), flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  }));
  if (!fd.valid()) {
    const int error = errno;
    if (error == ELOOP && (flags & O_NOFOLLOW) != 0)
      return Error(ErrorCode::kIo, error, fmt::format("{}: is a symbolic link", label));
    return os_error(error, "open", label);
  }
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) return os_error(errno, "stat", label);
  if (!S_ISREG(status.st_mode)) {
    return Error(ErrorCode::kBadInput, fmt::format("{}: is {}, expected a regular file", label,
                                                   file_kind(status.st_mode)));
  }
  // Left as it is, io_uring would answer EAGAIN where a file system cannot read without waiting.
  if (::fcntl(fd.get(), F_SETFL, 0) != 0) return os_error(errno, "fcntl", label);
  return File(std::move(fd), name, std::move(label));
}

Result<File> File::open_read(const std::string& path) {
  return open_regular(AT_FDCWD, path, O_RDONLY, escape_name(path));
}

Result<File> File::open_read_at(const UniqueFd& directory, const std::string& name,
                                std::string label) {
  return open_regular(directory.get(), name, O_RDONLY | O_NOFOLLOW, std::move(label));
}

Result<File> File::open_read_in(const UniqueFd& directory, const std::string& name,
                                std::string label) {
  return open_regular(directory.get(), name, O_RDONLY, std::move(label));
}

Result<File> File::open_update_at(const UniqueFd& directory, const std::string& name,
                                  std::string label) {
  return open_regular(directory.get(), name, O_RDWR | O_NOFOLLOW, std::move(label));
}

Result<File> File::create_at(const UniqueFd& directory, const std::string& name,
                             std::string label) {
  UniqueFd fd(retry_interrupted([&] {
    return ::openat(directory.get(), name.c_str(),
                    O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
  }));
  if (!fd.valid()) return os_error(errno, "create", label);
  return File(std::move(fd), name, std::move(label));
}

Result<std::uint64_t> File::size() const {
  struct stat status {};
  if (::fstat(fd(), &status) != 0) return os_error(errno, "stat", label_);
  return static_cast<std::uint64_t>(status.st_size);
}

Result<FileIdentity> File::identity() const {
  struct stat status {};
  if (::fstat(fd(), &status) != 0) return os_error(errno, "stat", label_);
  return FileIdentity{.device = status.st_dev,
                      .inode = status.st_ino,
                      .size = static_cast<std::uint64_t>(status.st_size),
                      .modified_ns = nanoseconds(status.st_mtim),
                      .changed_ns = nanoseconds(status.st_ctim)};
}

Status File::read_exact(std::uint64_t offset, MutableBytes out) const {
  Status status = os::read_exact(fd(), offset, out);
  if (!status) return std::move(status).error().in(label_);
  return {};
}

Status File::write_all(std::uint64_t offset, Bytes bytes) const {
  while (!bytes.empty()) {
    const std::uint64_t size = std::min<std::uint64_t>(bytes.size(), kMaxTransfer);
    const ssize_t put = retry_interrupted(
        [&] { return ::pwrite(fd(), bytes.data(), size, static_cast<off_t>(offset)); });
    if (put < 0) return transfer_error(errno, "write", size, offset).in(label_);
    offset += static_cast<std::uint64_t>(put);
    bytes = bytes.subspan(static_cast<std::size_t>(put));
  }
  return {};
}

Status File::truncate(std::uint64_t size) const {
  const int result = retry_interrupted([&] { return ::ftruncate(fd(), static_cast<off_t>(size)); });
  if (result != 0) return os_error(errno, "truncate", label_);
  return {};
}

namespace {

// Asked first: a file system may take seconds to find out, and fills the disk meanwhile. Some say
// nothing of their size.
bool has_room(int fd, std::uint64_t size) noexcept {
  struct statvfs space {};
  if (::fstatvfs(fd, &space) != 0 || space.f_blocks == 0 || space.f_frsize == 0) return true;
  return size / space.f_frsize <= space.f_bavail;
}

}  // namespace

Status File::reserve(std::uint64_t size) const {
  if (!has_room(fd(), size)) return transfer_error(ENOSPC, "reserve", size, 0).in(label_);
  const int result = retry_interrupted(
      [&] { return ::fallocate(fd(), FALLOC_FL_KEEP_SIZE, 0, static_cast<off_t>(size)); });
  if (result == 0 || errno == EOPNOTSUPP || errno == ENOSYS || errno == EINVAL) return {};
  return transfer_error(errno, "reserve", size, 0).in(label_);
}

void File::start_writeback(std::uint64_t offset, std::uint64_t size) const noexcept {
  (void)::sync_file_range(fd(), static_cast<off_t>(offset), static_cast<off_t>(size),
                          SYNC_FILE_RANGE_WRITE);
}

Status File::sync() const {
  const int result = retry_interrupted([&] { return ::fsync(fd()); });
  if (result != 0) return os_error(errno, "fsync", label_);
  return {};
}

void File::advise_sequential() const noexcept {
  (void)::posix_fadvise(fd(), 0, 0, POSIX_FADV_SEQUENTIAL);
}

void File::advise_dont_need(std::uint64_t offset, std::uint64_t size) const noexcept {
  (void)::posix_fadvise(fd(), static_cast<off_t>(offset), static_cast<off_t>(size),
                        POSIX_FADV_DONTNEED);
}

namespace {

bool is_same(int directory, const std::string& name, int flags, int fd) noexcept {
  struct stat by_name {};
  struct stat by_fd {};
  return ::fstatat(directory, name.c_str(), &by_name, flags) == 0 && ::fstat(fd, &by_fd) == 0 &&
         by_name.st_ino == by_fd.st_ino && by_name.st_dev == by_fd.st_dev;
}

Result<UniqueFd> open_directory_from(int directory, const std::string& name, int flags) {
  UniqueFd fd(retry_interrupted([&] {
    return ::openat(directory, name.c_str(), flags | O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  }));
  if (!fd.valid()) return os_error(errno, "open directory", escape_name(name));
  return fd;
}

}  // namespace

Result<UniqueFd> open_directory(const std::string& path) {
  return open_directory_from(AT_FDCWD, path, 0);
}

Result<UniqueFd> open_directory_at(const UniqueFd& directory, const std::string& name) {
  return open_directory_from(directory.get(), name, O_NOFOLLOW);
}

Status sync_directory(const UniqueFd& directory, const std::string& label) {
  const int result = retry_interrupted([&] { return ::fsync(directory.get()); });
  if (result == 0 || errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP) return {};
  return os_error(errno, "fsync of the directory", label);
}

bool leads_to(const std::string& path, const UniqueFd& fd) noexcept {
  return is_same(AT_FDCWD, path, 0, fd.get());
}

bool is_entry(const UniqueFd& directory, const std::string& name, int fd) noexcept {
  return is_same(directory.get(), name, AT_SYMLINK_NOFOLLOW, fd);
}

int try_lock(int fd, LockKind kind) noexcept {
  const int operation = kind == LockKind::kShared ? LOCK_SH : LOCK_EX;
  const int result = retry_interrupted([&] { return ::flock(fd, operation | LOCK_NB); });
  return result == 0 ? 0 : errno;
}

Status remove_file_at(const UniqueFd& directory, const std::string& name) {
  if (::unlinkat(directory.get(), name.c_str(), 0) != 0)
    return os_error(errno, "unlink", escape_name(name));
  return {};
}

Result<std::vector<std::string>> read_directory(const UniqueFd& directory,
                                                const std::string& label) {
  const int copy = ::openat(directory.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (copy < 0) return os_error(errno, "open directory", label);
  const std::unique_ptr<DIR, CloseDirectory> stream(::fdopendir(copy));
  if (stream == nullptr) {
    const int error = errno;
    ::close(copy);
    return os_error(error, "read directory", label);
  }
  std::vector<std::string> names;
  for (;;) {
    errno = 0;
    // NOLINTNEXTLINE(concurrency-mt-unsafe): safe on a stream that no other thread has
    const dirent* const entry = ::readdir(stream.get());
    if (entry == nullptr && errno != 0) return os_error(errno, "read directory", label);
    if (entry == nullptr) return names;
    const std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(name);
  }
}

std::vector<std::string> list_directory(const UniqueFd& directory) {
  return read_directory(directory, "").value_or(std::vector<std::string>());
}

}  // namespace wpack::os
