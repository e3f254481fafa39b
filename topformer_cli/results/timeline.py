"""The rounds of one measurement on one axis of time, and what a long run comes to."""

import itertools
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from topformer_cli.results.bench import Round

MINUTE_S: Final = 60.0
WINDOW_S: Final = 10.0
DROP: Final = 0.05
"""A run has slowed down when it takes 5 % more than in its first minute."""


@dataclass(frozen=True, slots=True)
class Moment:
    """One inference; or one round, where the runner tells no single times.

    at_s: when it began, in seconds since the first timed inference. round: its index from 0.
    """

    at_s: float
    ms: float
    round: int


@dataclass(frozen=True, slots=True)
class Sustained:
    """How the speed holds out.

    first_ms, last_ms: medians of the first and the last minute, or of shorter ends where the run
    is shorter than three minutes: ends_s. drop_s: start of the first two windows of window_s
    one after another that both lie more than 5 % above the first minute, None when there are none.
    """

    seconds: float
    ends_s: float
    window_s: float
    first_ms: float
    last_ms: float
    drop_s: float | None

    @property
    def ratio(self) -> float:
        """The last minute in units of the first."""
        return self.last_ms / self.first_ms

    def describe(self) -> str:
        """Say it in one line."""
        span = f"{self.ends_s:.0f} s"
        drop = (
            "never 5 % slower than at the start"
            if self.drop_s is None
            else f"5 % slower from {self.drop_s:.0f} s on"
        )
        return (
            f"{self.seconds:.0f} s: first {span} {self.first_ms:.2f} ms, "
            f"last {span} {self.last_ms:.2f} ms ({self.ratio:.2f}x), {drop}"
        )


def starts(rounds: Sequence[Round]) -> list[float]:
    """Return when each round began, in seconds since the first one did.

    Where the runner does not tell, rounds follow one another with their pauses between.
    """
    known = [one.started_s for one in rounds]
    told = [one for one in known if one is not None]
    if len(told) == len(known) and told == sorted(told):
        return [one - told[0] for one in told]
    found: list[float] = []
    clock = 0.0
    for one in rounds:
        clock += one.waited_s if found else 0.0
        found.append(clock)
        clock += seconds_of(one)
    return found


def seconds_of(one: Round) -> float:
    """Return how long the timed inferences of a round took together."""
    return one.iterations * one.mean_ms / 1000


def moments(rounds: Sequence[Round]) -> list[Moment]:
    """Return what is known of single times, in order; inferences follow without a gap."""
    found = []
    for index, (one, clock) in enumerate(zip(rounds, starts(rounds), strict=True)):
        for ms in one.samples_ms:
            found.append(Moment(clock, ms, index))
            clock += ms / 1000
        if not one.samples_ms:
            found.append(Moment(clock, one.centre_ms, index))
    return found


def windows(points: Sequence[Moment], seconds: float) -> list[tuple[float, float]]:
    """Return (start, median ms) of windows of this length; those without a point are left out."""
    groups: dict[int, list[float]] = {}
    for point in points:
        groups.setdefault(int(point.at_s / seconds), []).append(point.ms)
    return [(index * seconds, statistics.median(group)) for index, group in sorted(groups.items())]


def sustained(rounds: Sequence[Round]) -> Sustained | None:
    """Return how the speed of a long run holds out, None when there are less than three times."""
    points = moments(rounds)
    if len(points) < 3 or points[-1].at_s <= 0:
        return None
    length = points[-1].at_s
    ends = min(MINUTE_S, length / 3)
    first = statistics.median([one.ms for one in points if one.at_s <= ends])
    last = statistics.median([one.ms for one in points if one.at_s >= length - ends])
    width = min(WINDOW_S, length / 12)
    slow = [(start, ms > first * (1 + DROP)) for start, ms in windows(points, width)]
    pairs = itertools.pairwise(slow)
    drop = next((start for (start, one), (_, other) in pairs if one and other), None)
    return Sustained(length, ends, width, first, last, drop)
