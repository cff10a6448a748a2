"""Runs contestants in fresh processes, round by round, and sums up what they took."""

import dataclasses
import json
import math
import os
import random
import statistics
import subprocess
import sys
import time
from typing import Callable

import page_cache


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
              peak_rss_bytes=usage.ru_maxrss * 1024)
    return run, report


def run_rounds(contestants, caches, rounds):
    """Returns {(contestant's name, cache): [Run per round, or a reason why there is none]}.

    Contestants take turns within a round, and each round has another order, so that drift of the
    machine, and what the run before left behind, meet all of them alike. Every call has the same
    orders.
    """
    results = {(c.name, cache): [] for cache in caches for c in contestants}
    gave_up = set()
    for number in range(rounds):
        for cache in caches:
            order = list(contestants)
            random.Random(number).shuffle(order)
            for contestant in order:
                key = (contestant.name, cache)
                if key in gave_up:
                    continue
                progress(f"round {number + 1} of {rounds}, {cache}: {contestant.name}")
                try:
                    contestant.before()
                    prepare = page_cache.make_cold if cache == "cold" else page_cache.make_warm
                    prepare(contestant.files)
                    results[key].append(run_once(contestant))
                except (page_cache.NotPossible, Failed) as reason:
                    results[key] = str(reason)
                    gave_up.add(key)
    progress("")
    return results


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
    """Returns how many times as long the baseline took, compared within each round."""
    return spread([b.seconds / r.seconds for b, r in zip(baseline_runs, runs)])


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
    for reason in reasons:
        print(reason)


def print_table(header, rows):
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]
    for row in [header, ["-" * width for width in widths], *rows]:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())


def as_json(results):
    return {f"{name}, {cache}": runs if isinstance(runs, str)
            else [dataclasses.asdict(run) for run in runs]
            for (name, cache), runs in results.items()}
