// The system calls of src/os: those on files in memory go to memory_files.cc, all others to the
// system.
#include "memory_calls.h"

#include <fcntl.h>
#include <sys/mman.h>

#include <cstdarg>

// The linker sends calls of `f` to __wrap_f, and calls of __real_f to the system's.
// NOLINTBEGIN(bugprone-reserved-identifier)
extern "C" {

namespace memory = wpack::fuzz::memory;
using memory::is_ours;

#define WRAP(result, name, ...)      \
  result __real_##name(__VA_ARGS__); \
  result __wrap_##name(__VA_ARGS__); \
  result __wrap_##name(__VA_ARGS__)

int __real_openat(int directory, const char* path, int flags, ...);
int __wrap_openat(int directory, const char* path, int flags, ...);
int __wrap_openat(int directory, const char* path, int flags, ...) {
  if (is_ours(directory, path)) return memory::open_node(directory, path, flags);
  std::va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(arguments, mode_t) : 0;
  va_end(arguments);
  return __real_openat(directory, path, flags, mode);
}

int __real_fcntl(int fd, int command, ...);
int __wrap_fcntl(int fd, int command, ...);
int __wrap_fcntl(int fd, int command, ...) {
  if (is_ours(fd)) return memory::acknowledge(fd);
  std::va_list arguments;
  va_start(arguments, command);
  const int argument = va_arg(arguments, int);
  va_end(arguments);
  return __real_fcntl(fd, command, argument);
}

WRAP(int, close, int fd) { return is_ours(fd) ? memory::close_descriptor(fd) : __real_close(fd); }

WRAP(int, fstat, int fd, struct stat* status) {
  return is_ours(fd) ? memory::status_of(fd, status) : __real_fstat(fd, status);
}

WRAP(int, fstatat, int directory, const char* path, struct stat* status, int flags) {
  return is_ours(directory, path) ? memory::status_at(directory, path, status)
                                  : __real_fstatat(directory, path, status, flags);
}

WRAP(ssize_t, pread, int fd, void* out, size_t size, off_t offset) {
  return is_ours(fd) ? memory::read_node(fd, out, size, offset)
                     : __real_pread(fd, out, size, offset);
}

WRAP(ssize_t, pwrite, int fd, const void* bytes, size_t size, off_t offset) {
  return is_ours(fd) ? memory::write_node(fd, bytes, size, offset)
                     : __real_pwrite(fd, bytes, size, offset);
}

WRAP(int, ftruncate, int fd, off_t size) {
  return is_ours(fd) ? memory::truncate_node(fd, size) : __real_ftruncate(fd, size);
}

WRAP(int, fallocate, int fd, int mode, off_t offset, off_t size) {
  return is_ours(fd) ? memory::acknowledge(fd) : __real_fallocate(fd, mode, offset, size);
}

WRAP(int, fsync, int fd) { return is_ours(fd) ? memory::acknowledge(fd) : __real_fsync(fd); }

WRAP(int, posix_fadvise, int fd, off_t offset, off_t size, int advice) {
  return is_ours(fd) ? 0 : __real_posix_fadvise(fd, offset, size, advice);
}

WRAP(int, sync_file_range, int fd, off_t offset, off_t size, unsigned flags) {
  return is_ours(fd) ? 0 : __real_sync_file_range(fd, offset, size, flags);
}

WRAP(int, mkdirat, int directory, const char* path, mode_t mode) {
  return is_ours(directory, path) ? memory::make_directory(directory, path)
                                  : __real_mkdirat(directory, path, mode);
}

WRAP(int, renameat2, int from_directory, const char* from, int to_directory, const char* to,
     unsigned flags) {
  return is_ours(from_directory, from)
             ? memory::rename_node(from_directory, from, to_directory, to, flags)
             : __real_renameat2(from_directory, from, to_directory, to, flags);
}

WRAP(int, renameat, int from_directory, const char* from, int to_directory, const char* to) {
  return is_ours(from_directory, from)
             ? memory::rename_node(from_directory, from, to_directory, to, 0)
             : __real_renameat(from_directory, from, to_directory, to);
}

WRAP(int, unlinkat, int directory, const char* path, int flags) {
  return is_ours(directory, path) ? memory::unlink_node(directory, path, flags)
                                  : __real_unlinkat(directory, path, flags);
}

WRAP(int, flock, int fd, int operation) {
  return is_ours(fd) ? memory::lock_node(fd) : __real_flock(fd, operation);
}

WRAP(void*, mmap, void* address, size_t size, int protection, int flags, int fd, off_t offset) {
  return is_ours(fd) ? memory::map_node(fd, size)
                     : __real_mmap(address, size, protection, flags, fd, offset);
}

WRAP(int, munmap, void* address, size_t size) {
  return memory::unmap_node(address) ? 0 : __real_munmap(address, size);
}

WRAP(int, madvise, void* address, size_t size, int advice) {
  return memory::is_mapped(address) ? 0 : __real_madvise(address, size, advice);
}

WRAP(ssize_t, getrandom, void* out, size_t size, unsigned flags) {
  (void)flags;
  memory::fill_random(out, size);
  return static_cast<ssize_t>(size);
}

WRAP(DIR*, fdopendir, int fd) {
  return is_ours(fd) ? memory::open_stream(fd) : __real_fdopendir(fd);
}

WRAP(dirent*, readdir, DIR* stream) {
  const auto entry = memory::read_stream(stream);
  return entry ? *entry : __real_readdir(stream);
}

WRAP(int, closedir, DIR* stream) {
  const auto result = memory::close_stream(stream);
  return result ? *result : __real_closedir(stream);
}

}  // extern "C"
// NOLINTEND(bugprone-reserved-identifier)
