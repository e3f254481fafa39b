"""What rounds come to, in plain Python; no inference is ever left out."""

import statistics
from collections.abc import Sequence
from typing import Final, Literal

from topformer_cli.bench.statistics.interval import grouped_interval, median_interval
from topformer_cli.results import Ratio, Round, Summary

SAMPLES_FOR_P99: Final = 500
"""With fewer, the 99th percentile hangs on less than five inferences."""

CROWDED: Final = 0.05
"""A round that waits this share of its time for its core may be so much slower without any heat."""

Of = Literal["inferences", "round medians", "round means"]


def quantile(samples: Sequence[float], share: float) -> float:
    """Return the quantile with linear interpolation between order statistics (type 7).

    Raises:
        ValueError: there are no samples, or share lies outside 0..1.
    """
    if not samples or not 0 <= share <= 1:
        message = f"quantile {share} of {len(samples)} samples"
        raise ValueError(message)
    ordered = sorted(samples)
    position = share * (len(ordered) - 1)
    below = int(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (position - below)


def summarise(rounds: Sequence[Round]) -> Summary | None:
    """Return what the rounds come to, or None when there is none."""
    if not rounds:
        return None
    of = figures_of(rounds)
    told = of == "inferences"
    groups = [one.samples_ms for one in rounds] if told else [centres(rounds)]
    values = [value for group in groups for value in group]
    middle = statistics.median(values)
    interval = grouped_interval(groups) if told else median_interval(values)
    return Summary(
        of=of,
        count=len(values),
        median_ms=middle,
        low_ms=interval.low,
        high_ms=interval.high,
        confidence=interval.confidence,
        min_ms=min(one.min_ms for one in rounds),
        max_ms=max(one.max_ms for one in rounds),
        mean_ms=_mean(rounds),
        spread=spread(levels(rounds)),
        sd_ms=statistics.stdev(values) if len(values) > 1 else None,
        mad_ms=statistics.median([abs(value - middle) for value in values]),
        p90_ms=quantile(values, 0.9) if told else None,
        p95_ms=quantile(values, 0.95) if told else None,
        p99_ms=quantile(values, 0.99) if told and len(values) >= SAMPLES_FOR_P99 else None,
        forward_ms=_median([value for one in rounds for value in one.forward_ms]),
        load_ms=_median([one.load_ms for one in rounds if one.load_ms is not None]),
        first_ms=_median([one.first_ms for one in rounds if one.first_ms is not None]),
        peak_kb=max((one.peak_kb for one in rounds if one.peak_kb is not None), default=None),
    )


def figures_of(rounds: Sequence[Round]) -> Of:
    """Say what the figures are taken of: the finest that every round tells."""
    if all(one.samples_ms for one in rounds):
        return "inferences"
    if all(one.samples_ms or one.median_ms is not None for one in rounds):
        return "round medians"
    return "round means"


def centres(rounds: Sequence[Round]) -> list[float]:
    """Return the middle of each round in ms: medians when every round tells one, else means."""
    if figures_of(rounds) == "round means":
        return [one.mean_ms for one in rounds]
    return [one.centre_ms for one in rounds]


def levels(rounds: Sequence[Round]) -> list[float]:
    """Return what must agree for a run to be stable: the rounds' centres in ms.

    One or two rounds show no spread; where their inferences are known, each is cut into thirds.
    """
    if len(rounds) > 2 or any(len(one.samples_ms) < 3 for one in rounds):
        return centres(rounds)
    return [statistics.median(part) for one in rounds for part in thirds(one.samples_ms)]


def thirds(values: Sequence[float]) -> tuple[Sequence[float], Sequence[float], Sequence[float]]:
    """Return first, middle and last third of at least three values; the outer ones are equal."""
    outer = round(len(values) / 3)
    return values[:outer], values[outer : len(values) - outer], values[-outer:]


def spread(values: Sequence[float]) -> float:
    """Return (highest - lowest) / lowest, 0 where there is nothing to divide by."""
    low = min(values, default=0.0)
    return (max(values) - low) / low if low > 0 else 0.0


def crowded(done: Round) -> bool:
    """Say whether other programs had the core for so long that they explain a slower round."""
    return done.crowded is not None and done.crowded > CROWDED


def ratio(
    of_name: str, to_name: str, of_rounds: Sequence[Round], to_rounds: Sequence[Round]
) -> Ratio | None:
    """Return how long one artifact takes in units of another, None without a common round.

    Both ran in turns, so the ratio of one round is free of what slows both; a round that only
    one of them has does not count.
    """
    pairs = list(zip(of_rounds, to_rounds, strict=False))
    if not pairs:
        return None
    # A median is not set against a mean: where one side tells no median, both give their means.
    means = figures_of([one for pair in pairs for one in pair]) == "round means"
    sides = [
        (one.mean_ms, other.mean_ms) if means else (one.centre_ms, other.centre_ms)
        for one, other in pairs
    ]
    values = [one / other for one, other in sides if other > 0]
    if not values:
        return None
    interval = median_interval(values)
    return Ratio(
        of=of_name,
        to=to_name,
        value=statistics.median(values),
        low=interval.low,
        high=interval.high,
        confidence=interval.confidence,
    )


def _mean(rounds: Sequence[Round]) -> float:
    weight = sum(one.iterations for one in rounds)
    return sum(one.mean_ms * one.iterations for one in rounds) / weight


def _median(values: Sequence[float]) -> float | None:
    return statistics.median(values) if values else None
