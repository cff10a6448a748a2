"""Puts files out of the page cache or into it, and proves it.

Every answer comes from mincore(2), which tells the truth about files that the caller owns or may
write.
"""

import ctypes
import mmap
import os

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int,
                       ctypes.c_long]
_libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
_libc.mincore.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p]
_MAP_FAILED = ctypes.c_void_p(-1).value


class NotPossible(Exception):
    """The machine is not in the state that was asked for; the message says how it is."""


def files_below(path):
    """Returns `path` itself if it is a file, else all regular files below it."""
    if os.path.isfile(path):
        return [os.path.realpath(path)]
    return sorted(os.path.join(folder, name)
                  for folder, _, names in os.walk(path) for name in names)


def resident_pages(path):
    """Returns (pages of `path` that are in the page cache, all pages)."""
    fd = os.open(path, os.O_RDONLY)
    try:
        size = os.fstat(fd).st_size
        if size == 0:
            return 0, 0
        pages = -(-size // mmap.PAGESIZE)
        address = _libc.mmap(None, size, mmap.PROT_READ, mmap.MAP_SHARED, fd, 0)
        if address == _MAP_FAILED:
            raise OSError(ctypes.get_errno(), f"mmap of {path} failed")
        try:
            state = (ctypes.c_ubyte * pages)()
            if _libc.mincore(address, size, state) != 0:
                raise OSError(ctypes.get_errno(), f"mincore of {path} failed")
            return bytes(state).translate(_LOW_BIT).count(1), pages
        finally:
            _libc.munmap(address, size)
    finally:
        os.close(fd)


_LOW_BIT = bytes(value & 1 for value in range(256))


def drop(paths):
    """Asks the kernel to drop `paths` from the page cache, and proves nothing."""
    for path in paths:
        fd = os.open(path, os.O_RDONLY)
        try:
            os.fsync(fd)
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(fd)


def make_cold(paths):
    """Drops `paths` from the page cache, or raises NotPossible."""
    for _ in range(5):
        drop(paths)
        if _resident_share(paths) == 0:
            return
        _drop_everything()
    share = _resident_share(paths)
    if share > 0:
        raise NotPossible(f"the cache could not be dropped ({share:.3%} of the bytes stayed)")


def make_warm(paths):
    """Reads all of `paths`, or raises NotPossible if they do not stay in the page cache."""
    for _ in range(5):
        for path in paths:
            with open(path, "rb", buffering=0) as file:
                while file.read(1 << 20):
                    pass
        share = _resident_share(paths)
        if share == 1:
            return
    raise NotPossible(f"{1 - share:.3%} of the bytes did not stay in the cache")


def _resident_share(paths):
    counts = [resident_pages(path) for path in paths]
    return sum(count for count, _ in counts) / max(1, sum(pages for _, pages in counts))


def _drop_everything():
    try:
        with open("/proc/sys/vm/drop_caches", "w", encoding="ascii") as file:
            os.sync()
            file.write("1\n")
    except OSError:
        pass  # only the superuser may; the next look at the pages tells
