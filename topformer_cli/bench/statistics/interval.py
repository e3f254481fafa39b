"""The interval of a median by order statistics, also of samples that hang together.

No shape of the distribution is assumed. Neighbouring inferences resemble each other (clock,
temperature, other load) and the inferences of one process share its memory layout; counting each
as independent would make intervals far too narrow, so the number of samples that they are worth
is estimated first.
"""

import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

CONFIDENCE: Final = 0.95
LEAST_BLOCKS: Final = 16
"""The scatter of fewer blocks is too uncertain to be used."""
EXACT: Final = 1000
"""Below this the probability is an exact fraction, above it a logarithm of gamma functions."""
SCATTER: Final = 1.0
"""Rounds that scatter by more than this factor times what their inferences explain count as the
samples. At 1 equal rounds are often taken for different ones, which widens the interval a little;
at the 5 % point of such a test (2.4 for five rounds) small differences go unseen, and intervals
that claim 95 % hold 87 %."""


@dataclass(frozen=True, slots=True)
class Interval:
    """From low to high, with the probability that it holds the median."""

    low: float
    high: float
    confidence: float


def median_interval(values: Sequence[float], worth: float | None = None) -> Interval:
    """Return the narrowest symmetric order-statistics interval of the median at >= 95 %.

    Where there are too few values it is [min, max] with the confidence that this has: five give
    93.75 %, one gives none. worth: how many independent values they are worth, all by default.

    Raises:
        ValueError: there are no values.
    """
    if not values:
        message = "no values have no median"
        raise ValueError(message)
    ordered = sorted(values)
    count = len(ordered)
    independent = count if worth is None else max(1, min(count, round(worth)))
    rank, confidence = _rank(independent)
    # The rank among fewer independent values stands at the same share of all of them.
    place = rank if independent == count else math.floor(rank / (independent + 1) * (count + 1))
    place = max(1, place)
    return Interval(ordered[place - 1], ordered[count - place], confidence)


def _rank(count: int) -> tuple[int, float]:
    """Return the largest rank k such that the k-th lowest and highest hold the median at 95 %."""
    rank = count // 2 + 1
    inside = 0.0
    while rank > 1 and inside < CONFIDENCE:
        rank -= 1
        # One more rank outwards adds a value at both ends; the middle one of even counts is one.
        inside += _probability(count, rank) * (1 if 2 * rank == count else 2)
    return rank, inside


def _probability(count: int, below: int) -> float:
    """Return the binomial probability that so many of the values lie below the median."""
    if count < EXACT:
        return math.comb(count, below) / (1 << count)
    logarithm = math.lgamma(count + 1) - math.lgamma(below + 1) - math.lgamma(count - below + 1)
    return math.exp(logarithm - count * math.log(2))


def grouped_interval(groups: Sequence[Sequence[float]]) -> Interval:
    """Return the interval of the median of all samples, given in their groups and order.

    Where the groups' medians scatter more than the samples inside explain, it holds the interval
    of these medians, too, and has no more confidence than that.

    Raises:
        ValueError: there are no samples.
    """
    values = [value for group in groups for value in group]
    median = statistics.median(values)
    signs = [[_sign(value, median) for value in group] for group in groups if group]
    inflation = max([1.0, *_inflations(signs)])
    pooled = median_interval(values, len(values) / inflation)
    if len(signs) < 2 or _scatter(signs) <= SCATTER * inflation:
        return pooled
    between = median_interval([statistics.median(group) for group in groups if group])
    confidence = min(pooled.confidence, between.confidence)
    return Interval(min(pooled.low, between.low), max(pooled.high, between.high), confidence)


def _sign(value: float, median: float) -> int:
    return (value > median) - (value < median)


def _inflations(signs: Sequence[Sequence[int]]) -> Iterator[float]:
    """Yield the variance of block sums in units of independent samples, for growing blocks.

    For independent samples it is 1 for every length; it rises to the integrated autocorrelation
    where blocks are longer than the memory. Blocks lie inside a group. Source: batch means.
    """
    length = 2
    while True:
        sums = [
            sum(group[start : start + length])
            for group in signs
            for start in range(0, len(group) - length + 1, length)
        ]
        if len(sums) < LEAST_BLOCKS:
            return
        yield statistics.fmean([one * one for one in sums]) / length
        length *= 2


def _scatter(signs: Sequence[Sequence[int]]) -> float:
    """Return the same for whole groups."""
    sums = [sum(group) / math.sqrt(len(group)) for group in signs]
    return sum(one * one for one in sums) / (len(sums) - 1)
