"""Whether one contestant is ahead of another, from figures of the same rounds.

Pure functions; `wpack bench` does the same (tools/wpack/bench_statistics.h).
"""

import dataclasses
import random
import statistics

# With five pairs, all fall on one side in 1 of 16 cases where there is no difference.
FEWEST_PAIRS = 6
_RESAMPLES = 10_000


@dataclasses.dataclass
class Comparison:
    ratios: list  # theirs divided by ours, one a round
    median: float
    low: float  # of the 95 % interval of the median
    high: float
    verdict: str  # of us: "ahead", "tied", "behind", or "too few runs"

    def __str__(self):
        return f"{self.median:.3g} ({self.low:.3g}-{self.high:.3g}): {self.verdict}"


def bootstrap_interval(values):
    """Returns the 95 % interval of the median, by samples that are the same every time."""
    generator = random.Random(0x777061636B)
    medians = sorted(statistics.median(generator.choices(values, k=len(values)))
                     for _ in range(_RESAMPLES))
    tail = _RESAMPLES // 40
    return medians[tail], medians[_RESAMPLES - 1 - tail]


def compare(theirs, ours):
    """Holds `ours` against `theirs`, seconds of the same rounds; None where that says nothing."""
    if not ours or len(ours) != len(theirs) or min(ours) <= 0:
        return None
    ratios = [their / our for their, our in zip(theirs, ours)]
    low, high = bootstrap_interval(ratios)
    return Comparison(ratios, statistics.median(ratios), low, high,
                      _verdict(low, high, len(ratios)))


def _verdict(low, high, count):
    if count < FEWEST_PAIRS:
        return "too few runs"
    if low > 1:
        return "ahead"
    return "behind" if high < 1 else "tied"
