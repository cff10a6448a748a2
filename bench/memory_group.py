"""A control group that limits the memory of what runs in it, page cache included."""

import os

import page_cache

# Version 1 keeps memory in a hierarchy of its own; version 2 in the only one.
_HIERARCHIES = [
    ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.memsw.limit_in_bytes",
     "memory.max_usage_in_bytes"),
    ("/sys/fs/cgroup", "memory.max", "memory.swap.max", "memory.peak"),
]


class MemoryGroup:
    """A group of its own for one run: `with MemoryGroup(bytes) as group`.

    Raises page_cache.NotPossible where no group can be made.
    """

    def __init__(self, limit):
        self.limit = limit
        self.path, self.peak_file = None, None

    def __enter__(self):
        reasons = []
        for root, limit, swap, peak in _HIERARCHIES:
            self.path = os.path.join(root, f"wpack-bench-{os.getpid()}")
            self.peak_file = os.path.join(self.path, peak)
            try:
                os.mkdir(self.path)
                _write(os.path.join(self.path, limit), self.limit)
            except OSError as error:
                reasons.append(f"{error.filename}: {error.strerror}")
                self._remove()
                continue
            try:  # where there is no swap, there is nothing to forbid either
                _write(os.path.join(self.path, swap), self.limit if "memsw" in swap else 0)
            except OSError:
                pass
            return self
        raise page_cache.NotPossible("no memory control group can be made: " + "; ".join(reasons))

    def __exit__(self, *_):
        self._remove()

    def inside(self, command):
        """Returns the command line that joins the group and becomes `command`."""
        processes = os.path.join(self.path, "cgroup.procs")
        return ["sh", "-c", 'echo $$ > "$0" && exec "$@"', processes, *command]

    def peak_bytes(self):
        """Returns the most that was used at once, None where the kernel does not say."""
        try:
            with open(self.peak_file, encoding="ascii") as file:
                return int(file.read())
        except OSError:
            return None

    def _remove(self):
        try:
            os.rmdir(self.path)
        except OSError:
            pass


def _write(path, value):
    # Not to be created where the kernel does not have it.
    with open(os.open(path, os.O_WRONLY), "w", encoding="ascii") as file:
        file.write(str(value))
