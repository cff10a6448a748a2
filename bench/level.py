"""Lets every run start from the same memory and the same page cache, and shows whether it did.

`wpack bench` does the same; bench/README.md says why.
"""

import contextlib
import mmap
import os
import socket
import struct
import time

import page_cache

_FRESH_MEMORY = 2 << 30
_SETTLE_SECONDS = 15
_TIMED_MEMORY = 64 << 20
_REPORTING_FEATURE = 5  # VIRTIO_BALLOON_F_REPORTING


def add_options(parser):
    """Adds what Leveller takes to the command line."""
    parser.add_argument("--fresh-memory", type=int, metavar="BYTES",
                        help="memory that another process takes before each run, and holds while a "
                             "cold one goes on (default: 2 GiB, at most half of what is available)")
    parser.add_argument("--settle", type=float, metavar="SECONDS",
                        help="wait before each cold run, so that the host of a virtual machine "
                             "takes freed memory back (default: 15 where it does so, else 0)")


class Leveller:
    """Puts the machine into the same state before each run."""

    def __init__(self, args, everybody):
        """`everybody`: the files of all contestants."""
        self.everybody = everybody
        self.fresh_memory = (min(_FRESH_MEMORY, _available_bytes() // 2)
                             if args.fresh_memory is None else args.fresh_memory)
        self.settle = args.settle
        if self.settle is None:
            self.settle = _SETTLE_SECONDS if host_takes_pages_back() else 0

    @contextlib.contextmanager
    def prepared(self, cache, files):
        """Makes `files` "cold" or "warm", and fresh memory what it is before every other run.

        The run goes into the body. Gives the seconds a gigabyte that fresh memory costs; None before
        warm runs. Raises page_cache.NotPossible.
        """
        if cache == "warm":
            with _memory_held(self.fresh_memory):
                pass
            page_cache.make_warm(files)
            yield None
            return
        # What somebody else left in the page cache is memory that these could not have.
        page_cache.drop(self.everybody)
        page_cache.make_cold(files)
        time.sleep(self.settle)
        # What the host has not taken back by now is cheap, and handed out first.
        with _memory_held(self.fresh_memory) as seconds:
            page_cache.make_cold(files)
            yield seconds


@contextlib.contextmanager
def _memory_held(size):
    """Holds fresh memory in another process: the kernel would count ours as our children's.

    Gives the seconds a gigabyte that touching the last of it took; None of nothing.
    """
    if size == 0:
        yield None
        return
    ours, theirs = socket.socketpair()
    child = os.fork()
    if child == 0:
        try:
            ours.close()
            memory = _touched(size)
            theirs.sendall(struct.pack("d", memory[1]))
            theirs.recv(1)
        finally:
            os._exit(0)
    theirs.close()
    try:
        answer = ours.recv(8)
        if len(answer) != 8:
            raise page_cache.NotPossible(f"{size} bytes of memory could not be taken")
        yield struct.unpack("d", answer)[0]
    finally:
        ours.close()
        os.waitpid(child, 0)


def _touched(size):
    """Returns (memory, the seconds a gigabyte that its last pages took)."""
    memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    try:
        memory.madvise(mmap.MADV_HUGEPAGE)  # those are what a host takes back
    except OSError:
        pass  # this kernel has none
    timed = min(size, _TIMED_MEMORY)
    for begin in range(0, size - timed, _TIMED_MEMORY):
        _touch(memory, begin, min(begin + _TIMED_MEMORY, size - timed))
    started = time.monotonic()
    _touch(memory, size - timed, size)
    return memory, (time.monotonic() - started) * 1e9 / timed


def _touch(memory, begin, end):
    memory[begin:end:mmap.PAGESIZE] = bytes(len(range(begin, end, mmap.PAGESIZE)))


def host_takes_pages_back(devices="/sys/bus/virtio/devices"):
    """Returns whether the host of this virtual machine takes free pages back by itself.

    That is a virtio memory balloon with VIRTIO_BALLOON_F_REPORTING; other hypervisors' balloons are
    not known here.
    """
    try:
        names = os.listdir(devices)
    except OSError:
        return False
    return any(_is_reporting_balloon(os.path.join(devices, name)) for name in names)


def _is_reporting_balloon(device):
    # One digit a feature bit, the lowest bit first.
    return (_first_word(os.path.join(device, "device")) == "0x0005" and
            _first_word(os.path.join(device, "features"))[_REPORTING_FEATURE:][:1] == "1")


def _first_word(path):
    try:
        with open(path, encoding="ascii") as file:
            return (file.read().split() or [""])[0]
    except OSError:
        return ""


def _available_bytes():
    with open("/proc/meminfo", encoding="ascii") as file:
        for line in file:
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return 0
