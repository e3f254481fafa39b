"""Order statistics of latencies, in plain Python, and the verdict on a run."""

import statistics
from collections.abc import Sequence
from typing import Final

from topformer_cli.results import CoreUse, Round, Summary, Verdict

STABLE_SPREAD: Final = 0.05
"""Rounds may differ by 5 %: the repetition bound of the MLPerf Mobile inference rules v4.0."""


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


def round_of(samples_ms: Sequence[float]) -> Round:
    """Return the round of a row of timed inferences, in ms."""
    return Round(
        iterations=len(samples_ms),
        min_ms=min(samples_ms),
        max_ms=max(samples_ms),
        mean_ms=statistics.fmean(samples_ms),
        samples_ms=tuple(samples_ms),
    )


def summarise(rounds: Sequence[Round]) -> Summary | None:
    """Return what the rounds come to, or None when there is none."""
    if not rounds:
        return None
    samples = [sample for one in rounds for sample in one.samples_ms]
    complete = all(one.samples_ms for one in rounds)
    centres = [quantile(one.samples_ms, 0.5) if complete else one.mean_ms for one in rounds]
    weight = sum(one.iterations for one in rounds)
    return Summary(
        median_ms=quantile(samples if complete else centres, 0.5),
        p90_ms=quantile(samples, 0.9) if complete else None,
        min_ms=min(one.min_ms for one in rounds),
        max_ms=max(one.max_ms for one in rounds),
        mean_ms=sum(one.mean_ms * one.iterations for one in rounds) / weight,
        spread=(max(centres) - min(centres)) / min(centres) if min(centres) > 0 else 0.0,
    )


def judge(summary: Summary | None, core: CoreUse, emulated: bool, complete: bool = True) -> Verdict:
    """Return the verdict on a run: the first reason why its number must not be trusted."""
    if summary is None or not complete:
        return "incomplete"
    if emulated:
        return "emulated"
    if core.asked != "any" and not core.verified:
        return "not pinned"
    return "stable" if summary.spread <= STABLE_SPREAD else "unstable"
