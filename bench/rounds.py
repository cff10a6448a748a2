"""Runs contestants in fresh processes, round by round, and sums up what they took."""

import dataclasses
import json
import math
import os
import statistics
import subprocess
import sys
import time
from typing import Callable, Optional

import page_cache
import paired
from level import Leveller


@dataclasses.dataclass
class Contestant:
    name: str
    command: list
    files: list  # what is cold or warm before each run
    before: Callable[[], None] = lambda: None  # for instance removes the last output
    # Contestants that time themselves print a JSON object; the others are timed as a process.
    reports: bool = True


@dataclasses.dataclass
class Run:
    seconds: float  # of the work itself: what the contestant reported, or else the whole process
    cpu_seconds: float
    process_seconds: float  # from start to exit
    process_cpu_seconds: float
    peak_rss_bytes: int
    first_layer_seconds: Optional[float] = None  # if the contestant reports it
    # Of fresh memory, by another process right before this run.
    first_touch_seconds_per_gigabyte: Optional[float] = None


class Failed(Exception):
    pass


def run_once(contestant):
    """Runs one contestant to its end in a process of its own."""
    return _run(contestant)[0]


def run_report(contestant):
    """Does the same, and returns what the contestant reported."""
    return _run(contestant)[1]


def _run(contestant):
    """Returns (what the process took, what it reported)."""
    started = time.monotonic()
    process = subprocess.Popen(contestant.command, stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    # Both outputs are short: they fit into the pipes.
    _, status, usage = os.wait4(process.pid, 0)
    elapsed = time.monotonic() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    output, errors = process.stdout.read(), process.stderr.read().decode(errors="replace").strip()
    process.stdout.close()
    process.stderr.close()
    if process.returncode != 0:
        last = errors.splitlines()[-1] if errors else f"exit status {process.returncode}"
        raise Failed(last)
    cpu = usage.ru_utime + usage.ru_stime
    report = json.loads(output) if contestant.reports else {}
    if "skipped" in report:
        raise Failed(report["skipped"])
    run = Run(seconds=report.get("total_seconds", elapsed),
              cpu_seconds=report.get("cpu_seconds", cpu),
              process_seconds=elapsed, process_cpu_seconds=cpu,
              peak_rss_bytes=usage.ru_maxrss * 1024,
              first_layer_seconds=report.get("first_layer_seconds"))
    return run, report


def in_turns(entries, number):
    """Returns `entries` in the order of round `number`.

    Who runs next after whom is balanced, because the one before leaves memory and caches behind: in
    as many rounds as there are entries (twice as many where that is odd), every entry runs at every
    turn, and right after every other one, equally often. The order is that of E. J. Williams,
    "Experimental designs balanced for the estimation of residual effects of treatments" (1949).
    """
    count = len(entries)
    order = []
    for turn in range(count):
        first = (turn + 1) // 2 if turn % 2 else count - turn // 2
        order.append(entries[(first + number) % count])
    backwards = count % 2 == 1 and number // count % 2 == 1
    return order[::-1] if backwards else order


def run_rounds(contestants, caches, args):
    """Returns {(contestant's name, cache): [Run per round, or a reason why there is none]}.

    Each contestant runs once before the rounds, uncounted: what is missing shows at once, and the
    first round does not pay for reading programs from the disk. `args` has `rounds`, and what
    level.add_options adds.
    """
    results = {(c.name, cache): [] for cache in caches for c in contestants}
    leveller = Leveller(args, sorted({file for c in contestants for file in c.files}))
    for contestant in contestants:
        progress(f"rehearsal: {contestant.name}")
        try:
            contestant.before()
            run_once(contestant)
        except Failed as reason:
            for cache in caches:
                results[contestant.name, cache] = str(reason)
    for number in range(args.rounds):
        for cache in caches:
            for contestant in in_turns(contestants, number):
                key = (contestant.name, cache)
                if isinstance(results[key], str):
                    continue
                progress(f"round {number + 1} of {args.rounds}, {cache}: {contestant.name}")
                try:
                    results[key].append(_measure(contestant, cache, leveller))
                except (page_cache.NotPossible, Failed) as reason:
                    results[key] = str(reason)
    progress("")
    return results


def _measure(contestant, cache, leveller):
    contestant.before()
    with leveller.prepared(cache, contestant.files) as first_touch:
        run = run_once(contestant)
    return dataclasses.replace(run, first_touch_seconds_per_gigabyte=first_touch)


def progress(text):
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)
    elif text:
        print(text, file=sys.stderr)


def short(value):
    """Returns three significant digits, or as many as stand before the point."""
    digits = max(0, 2 - math.floor(math.log10(abs(value)))) if value != 0 else 0
    return f"{value:.{min(digits, 6)}f}"


def median(values):
    return "-" if any(value is None for value in values) else short(statistics.median(values))


def spread(values):
    """Returns "median (smallest-largest)"."""
    return f"{median(values)} ({short(min(values))}-{short(max(values))})"


def ratios(baseline_runs, runs):
    """Returns how many times as long the baseline took, compared within each round.

    That is the median, its 95 % interval, and whether the baseline is left behind.
    """
    return str(paired.compare([run.seconds for run in baseline_runs],
                              [run.seconds for run in runs]) or "-")


def print_results(header, results, row_of):
    """Prints a row for each contestant that was measured, then why the others were not.

    `row_of(runs, baseline_runs)` makes the cells after the name and the cache; the baseline is the
    first contestant under the same cache, None if that was not measured.
    """
    first = next(iter(results))[0]
    rows, reasons = [], []
    for (name, cache), runs in results.items():
        baseline = results[first, cache]
        if isinstance(runs, str):
            reasons.append(f"{name}, {cache}: not measured: {runs}")
        else:
            rows.append([name, cache, *row_of(runs, None if isinstance(baseline, str) else baseline)])
    print_table(header, rows)
    print_first_touch(results)
    for reason in reasons:
        print(reason)


def print_first_touch(results):
    """Prints whether runs, and contestants, started from memory that cost the same."""
    for cache in dict.fromkeys(cache for _, cache in results):
        costs = [[run.first_touch_seconds_per_gigabyte for run in runs]
                 for (_, of), runs in results.items() if of == cache and not isinstance(runs, str)]
        print_fresh_memory(cache, costs)


def print_fresh_memory(cache, costs):
    """`costs`: a list of seconds a gigabyte for each contestant."""
    costs = [[cost for cost in of if cost is not None] for of in costs]
    medians = [statistics.median(of) for of in costs if of]
    if medians:
        print(f"fresh memory before {cache} runs: {spread(sum(costs, []))} s/GB, medians of "
              f"contestants {short(min(medians))}-{short(max(medians))}")


def print_table(header, rows):
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]
    for row in [header, ["-" * width for width in widths], *rows]:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())


def as_json(results):
    return {f"{name}, {cache}": runs if isinstance(runs, str)
            else [dataclasses.asdict(run) for run in runs]
            for (name, cache), runs in results.items()}
