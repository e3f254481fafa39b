"""Whether inferences run at two speeds, as they do on two kinds of cores."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

LEAST: Final = 20
"""Fewer inferences are not divided."""
LEAST_SHARE: Final = 0.1
"""Each speed has at least so much of all inferences; a few slow ones are outliers, no speed."""
LEAST_GAP: Final = 0.1
"""The speeds lie at least so far apart, in units of the median."""
CLEAR: Final = 3.0
"""The gap in units of both groups' median absolute deviations: 2 for a uniform distribution cut
in half, less for one with a peak, so that only a valley between the groups passes."""
IN_ORDER: Final = 0.9
"""Share of pairs (fast, slow) with the fast one first, above which the run changed only once."""


def in_ms(value: float) -> str:
    """Return a time with three digits, or to a tenth."""
    return f"{value:.3g} ms" if value < 10 else f"{value:.1f} ms"


@dataclass(frozen=True, slots=True)
class Speeds:
    """Two speeds: their medians in ms, the share of inferences at the slow one.

    one_after_other: in the run or in its rounds, first all fast ones and then all slow ones.
    """

    fast_ms: float
    slow_ms: float
    slow_share: float
    one_after_other: bool

    def describe(self) -> str:
        """Say it with the usual causes."""
        causes = "a lower clock" if self.one_after_other else "core migration, or another load"
        times = f"{in_ms(self.fast_ms)} and {in_ms(self.slow_ms)}"
        return f"two speeds: {times}, {self.slow_share:.0%} at the slower ({causes})"


def two_speeds(rounds: Sequence[Sequence[float]]) -> Speeds | None:
    """Return the two speeds of the inferences of all rounds (ms), None when there is one.

    The logarithms are cut in two where the absolute distances to the groups' medians are least,
    which single slow inferences hardly move; the cut counts when both groups are large, far apart
    and narrow.
    """
    ordered = sorted(value for one in rounds for value in one)
    if len(ordered) < LEAST or ordered[0] <= 0:
        return None
    cut = _best_cut([math.log(value) for value in ordered])
    low, high = ordered[:cut], ordered[cut:]
    fast, slow = statistics.median(low), statistics.median(high)
    widths = _deviation(low, fast) + _deviation(high, slow)
    if slow - fast <= max(LEAST_GAP * statistics.median(ordered), CLEAR * widths):
        return None
    border = low[-1]
    whole = [value for one in rounds for value in one]
    in_rounds = [_in_order(one, border) for one in rounds]
    orders = [one for one in (_in_order(whole, border), _mean(in_rounds)) if one is not None]
    return Speeds(fast, slow, len(high) / len(ordered), max(orders) >= IN_ORDER)


def _best_cut(logarithms: Sequence[float]) -> int:
    """Return the size of the lower group of sorted values, by least absolute deviation."""
    sums = [0.0, *accumulate(logarithms)]
    count = len(logarithms)
    least = math.ceil(count * LEAST_SHARE)

    def cost(start: int, end: int) -> float:
        lower, upper = (start + end) // 2, (start + end + 1) // 2
        return (sums[end] - sums[upper]) - (sums[lower] - sums[start])

    return min(range(least, count - least + 1), key=lambda cut: cost(0, cut) + cost(cut, count))


def _deviation(values: Sequence[float], middle: float) -> float:
    return statistics.median([abs(value - middle) for value in values])


def _in_order(values: Sequence[float], border: float) -> float | None:
    """Return the share of pairs of a fast and a slow one in which the fast one came first."""
    fast = pairs = ordered = 0
    for value in values:
        if value <= border:
            fast += 1
        else:
            ordered += fast
    pairs = fast * (len(values) - fast)
    return ordered / pairs if pairs else None


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if known else None
