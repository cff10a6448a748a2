"""What a process took, and how it uses what it loaded: shared by the Python contestants."""

import json
import os
import resource
import sys
import time

STARTED = time.monotonic()  # this is the first module that a contestant imports
PAGE = 4096


def cpu_seconds():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def machine_cpu_seconds():
    """Returns the CPU seconds of the whole machine, the kernel's own threads included."""
    with open("/proc/stat", encoding="ascii") as file:
        user, nice, system, _, _, interrupts, deferred = map(int, file.readline().split()[1:8])
    return (user + nice + system + interrupts + deferred) / os.sysconf("SC_CLK_TCK")


def private_bytes():
    with open("/proc/self/status", encoding="ascii") as file:
        for line in file:
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) * 1024
    return 0


def skip(reason):
    """Ends the process: this contestant cannot run here."""
    print(json.dumps({"skipped": reason}))
    sys.exit(0)


class Meter:
    """Measures from when it is made; `report` ends that."""

    def __init__(self):
        self.import_seconds = time.monotonic() - STARTED
        self.private = private_bytes()
        self.machine = machine_cpu_seconds()
        self.cpu = cpu_seconds()
        self.started = time.monotonic()

    def seconds(self):
        return time.monotonic() - self.started

    def report(self, **members):
        total = self.seconds()
        cpu = cpu_seconds() - self.cpu
        machine = machine_cpu_seconds() - self.machine
        print(json.dumps({
            "total_seconds": total,
            "import_seconds": self.import_seconds,
            "cpu_seconds": cpu,
            "machine_cpu_seconds": machine,
            "anonymous_rss_grown_bytes": max(0, private_bytes() - self.private),
            **members,
        }))


class Toucher:
    """Reads one byte of every page of tensors, or every byte once; tied tensors count once."""

    def __init__(self, torch, how):
        self.torch = torch
        self.how = how
        self.bytes = 0
        self.word_sum = 0
        self.seen = set()

    def touch(self, tensor):
        size = tensor.numel() * tensor.element_size()
        place = (tensor.data_ptr(), size)
        if size == 0 or (place in self.seen and self.how == "bytes"):
            return
        flat = tensor.detach().contiguous().reshape(-1).view(self.torch.uint8)
        if place not in self.seen:
            self.bytes += size
            self.seen.add(place)
        if self.how == "pages":
            flat[::PAGE].sum().item()
            flat[-1].item()
        else:
            self.word_sum = (self.word_sum + self.sum_words(flat)) % (1 << 64)

    def sum_words(self, flat):
        """Returns the sum of the little-endian 64-bit words, the last one filled up with zeros."""
        whole = flat.numel() // 8 * 8
        words = flat[:whole]
        if words.data_ptr() % 8 != 0:
            words = words.clone()
        total = words.view(self.torch.int64).sum().item() if whole else 0
        return total + int.from_bytes(bytes(flat[whole:].tolist()), "little")
