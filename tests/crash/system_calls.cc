#include "crash/system_calls.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

namespace wpack::crash {
namespace {

constexpr Operand descriptor(int argument) { return {.descriptor = argument}; }
constexpr Operand path(int argument) { return {.path = argument}; }
constexpr Operand path_at(int directory) { return {.directory = directory, .path = directory + 1}; }

constexpr CallShape kChanging[] = {
    {SYS_write, "write", descriptor(0), {}, 1},
    {SYS_pwrite64, "pwrite64", descriptor(0), {}, 1},
    {SYS_writev, "writev", descriptor(0)},
    {SYS_pwritev, "pwritev", descriptor(0)},
    {SYS_pwritev2, "pwritev2", descriptor(0)},
    {SYS_sendfile, "sendfile", descriptor(0)},
    {SYS_splice, "splice", descriptor(2)},
    {SYS_copy_file_range, "copy_file_range", descriptor(2)},
    {SYS_mmap, "mmap", descriptor(4), {}, Operand::kNone, 3, MAP_SHARED},
    {SYS_fallocate, "fallocate", descriptor(0)},
    {SYS_ftruncate, "ftruncate", descriptor(0)},
    {SYS_truncate, "truncate", path(0)},
    {SYS_fsync, "fsync", descriptor(0)},
    {SYS_fdatasync, "fdatasync", descriptor(0)},
    {SYS_sync_file_range, "sync_file_range", descriptor(0)},
    {SYS_syncfs, "syncfs", descriptor(0)},
    {SYS_openat, "openat", path_at(0), {}, Operand::kNone, 2, O_CREAT | O_TRUNC},
    {SYS_mkdirat, "mkdirat", path_at(0)},
    {SYS_mknodat, "mknodat", path_at(0)},
    {SYS_symlinkat, "symlinkat", path_at(1)},
    {SYS_linkat, "linkat", path_at(0), path_at(2)},
    {SYS_renameat2, "renameat2", path_at(0), path_at(2)},
    {SYS_unlinkat, "unlinkat", path_at(0)},
#ifdef SYS_renameat
    {SYS_renameat, "renameat", path_at(0), path_at(2)},
#endif
#ifdef SYS_open
    {SYS_open, "open", path(0), {}, Operand::kNone, 1, O_CREAT | O_TRUNC},
    {SYS_creat, "creat", path(0)},
    {SYS_mkdir, "mkdir", path(0)},
    {SYS_mknod, "mknod", path(0)},
    {SYS_symlink, "symlink", path(1)},
    {SYS_link, "link", path(0), path(1)},
    {SYS_rename, "rename", path(0), path(1)},
    {SYS_unlink, "unlink", path(0)},
    {SYS_rmdir, "rmdir", path(0)},
#endif
};

constexpr CallShape kLooking[] = {
    {SYS_openat, "openat", path_at(0)},       {SYS_newfstatat, "newfstatat", path_at(0)},
    {SYS_fstat, "fstat", descriptor(0)},      {SYS_statx, "statx", path_at(0)},
    {SYS_read, "read", descriptor(0)},        {SYS_pread64, "pread64", descriptor(0)},
    {SYS_flock, "flock", descriptor(0)},      {SYS_getdents64, "getdents64", descriptor(0)},
    {SYS_fcntl, "fcntl", descriptor(0)},      {SYS_fadvise64, "fadvise64", descriptor(0)},
    {SYS_faccessat, "faccessat", path_at(0)}, {SYS_readlinkat, "readlinkat", path_at(0)},
};

}  // namespace

std::span<const CallShape> changing_calls() { return kChanging; }
std::span<const CallShape> looking_calls() { return kLooking; }

}  // namespace wpack::crash
