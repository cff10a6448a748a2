"""What the runs of compare_start say: who is ahead, and which part of the gain comes from what."""

import dataclasses
import statistics

import paired
from rounds import print_first_touch, print_table, short, spread

USUAL = "torch as most use it"
BEST = "torch, meta + mmap + assign"
WPACK = "wpack, C++ module"


@dataclasses.dataclass
class Start:
    """One way to start: seconds of each round."""
    process: list  # from start to exit
    start: list  # imports apart
    construction: list  # alone, in a run of its own
    cpu: list
    peak_rss_bytes: int

    @property
    def weights(self):
        return minus(self.start, self.construction)

    @property
    def around(self):
        """The program's own start and end: the interpreter and its imports."""
        return minus(self.process, self.start)


def label(name, part):
    return name if part == "whole" else f"{name}: {part}"


def minus(left, right):
    """Returns the differences round by round."""
    return [a - b for a, b in zip(left, right)]


def print_report(results, caches):
    """`results`: what run_rounds returned for the contestants named by `label`."""
    starts, reasons = {}, []
    for cache in caches:
        for name in (USUAL, BEST, WPACK):
            runs = results[name, cache], results[label(name, "construct"), cache]
            failed = next((reason for reason in runs if isinstance(reason, str)), None)
            if failed:
                reasons.append(f"{name}, {cache}: not measured: {failed}")
            else:
                starts[name, cache] = _start_of(*runs)
    print_table(["start", "cache", "process", "start, imported", "construction", "weights only",
                 "CPU s", "peak RSS MB"],
                [[name, cache, *map(spread, (start.process, start.start, start.construction,
                                             start.weights, start.cpu)),
                  f"{start.peak_rss_bytes / 1e6:.0f}"] for (name, cache), start in starts.items()])
    print()
    print_table(["theirs / wpack's", "cache", "of", "median (95 % interval): wpack is"],
                list(_comparisons(starts)))
    print()
    print_table(["what the gain comes from", "cache", "seconds (95 % interval)", "share"],
                list(_gain_rows(starts)))
    print()
    print_first_touch(results)
    for reason in reasons:
        print(reason)


def _start_of(whole, construction):
    return Start(process=[run.process_seconds for run in whole],
                 start=[run.seconds for run in whole],
                 construction=[run.seconds for run in construction],
                 cpu=[run.cpu_seconds for run in whole],
                 peak_rss_bytes=max(run.peak_rss_bytes for run in whole))


def _comparisons(starts):
    for (name, cache), theirs in starts.items():
        ours = starts.get((WPACK, cache))
        if name == WPACK or ours is None:
            continue
        for title, of in (("start", "start"), ("weights only", "weights")):
            comparison = paired.compare(getattr(theirs, of), getattr(ours, of))
            yield [name, cache, title, str(comparison or "-")]


def gains(usual, best, wpack):
    """Returns (what is saved, seconds of each round). In each round, the last is the sum."""
    return [("no weights drawn at random", minus(usual.construction, best.construction)),
            ("no copy of the weights", minus(usual.weights, best.weights)),
            ("no Python modules to construct", minus(best.construction, wpack.construction)),
            ("no pickle, no binding in Python", minus(best.weights, wpack.weights)),
            ("no interpreter, no imports", minus(usual.around, wpack.around)),
            ("all of it", minus(usual.process, wpack.process))]


def _gain_rows(starts):
    for cache in dict.fromkeys(cache for _, cache in starts):
        ways = [starts.get((name, cache)) for name in (USUAL, BEST, WPACK)]
        if None in ways:
            continue
        parts = gains(*ways)
        whole = statistics.median(parts[-1][1])
        for title, seconds in parts:
            low, high = paired.bootstrap_interval(seconds)
            median = statistics.median(seconds)
            yield [title, cache, f"{short(median)} ({short(low)} to {short(high)})",
                   f"{median / whole:.0%}"]
