"""Lets every run start from the same memory and the same page cache, and shows whether it did.

`wpack bench` does the same; bench/README.md says why.
"""

import json
import os
import subprocess
import time

import page_cache

_FRESH_MEMORY = 2 << 30
_SETTLE_SECONDS = 15
_PROBE = 64 << 20
_REPORTING_FEATURE = 5  # VIRTIO_BALLOON_F_REPORTING


def add_options(parser):
    """Adds what Leveller takes to the command line."""
    parser.add_argument("--wpack", default="build/release/tools/wpack/wpack",
                        help="the command (default: %(default)s)")
    parser.add_argument("--fresh-memory", type=int, metavar="BYTES",
                        help="memory that is touched and freed before each run (default: 2 GiB, at "
                             "most half of what is available)")
    parser.add_argument("--settle", type=float, metavar="SECONDS",
                        help="wait before each cold run, so that the host of a virtual machine "
                             "takes freed memory back (default: 15 where it does so, else 0)")


class Leveller:
    """Puts the machine into the same state before each run."""

    def __init__(self, args, everybody):
        """`everybody`: the files of all contestants."""
        self.wpack = args.wpack
        self.everybody = everybody
        self.fresh_memory = (min(_FRESH_MEMORY, _available_bytes() // 2)
                             if args.fresh_memory is None else args.fresh_memory)
        self.settle = args.settle
        if self.settle is None:
            self.settle = _SETTLE_SECONDS if host_takes_pages_back() else 0

    def prepare(self, cache, files):
        """Makes `files` "cold" or "warm", and free memory what it is before every other run.

        Returns the seconds a gigabyte that touching fresh memory takes now, None if it is not to be
        touched. Raises page_cache.NotPossible.
        """
        if cache == "warm":
            self._touch_memory(self.fresh_memory)
            page_cache.make_warm(files)
            return self._probe()
        # What somebody else left in the page cache is memory that these could not have, and what
        # is freed only now is cheaper to touch than what the host has taken back.
        page_cache.drop(self.everybody)
        page_cache.make_cold(files)
        self._touch_memory(self.fresh_memory)
        time.sleep(self.settle)
        seconds = self._probe()
        page_cache.make_cold(files)
        return seconds

    def _probe(self):
        size = min(_PROBE, self.fresh_memory)
        return self._touch_memory(size) * 1e9 / size if size else None

    def _touch_memory(self, size):
        """Touches and frees memory in a process of its own. Returns the seconds of touching."""
        if size == 0:
            return 0
        command = [self.wpack, "bench-step", "memory", str(size)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=True)
        except OSError as error:
            raise page_cache.NotPossible(f"run {self.wpack}: {error.strerror}") from None
        except subprocess.CalledProcessError as error:
            raise page_cache.NotPossible(
                f"touch and free memory: {error.stderr.strip()}") from None
        return json.loads(done.stdout)["total_seconds"]


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
