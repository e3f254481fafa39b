"""The results of one device side by side on one axis of time, ready to be drawn."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from topformer_cli.results import BenchResult, BenchSession, DeviceFacts, Reading
from topformer_cli.results.timeline import Moment, moments, seconds_of, starts

GAP_S = 2.0
"""Readings farther apart than this are not joined by a line."""


@dataclass(frozen=True, slots=True)
class Lane:
    """One result; times of points count from the first inference on its device.

    origin_s: where that is on the clock of its readings.
    """

    result: BenchResult
    points: tuple[Moment, ...]
    origin_s: float

    @property
    def told(self) -> bool:
        """Whether the points are inferences, not rounds."""
        return any(one.samples_ms for one in self.result.rounds)


@dataclass(frozen=True, slots=True)
class Span:
    """When a round ran; several results of one round make one span. throttled: any of them."""

    start_s: float
    end_s: float
    throttled: bool


@dataclass(frozen=True, slots=True)
class DeviceLanes:
    """Everything that one device measured."""

    name: str
    lanes: tuple[Lane, ...]

    @property
    def emulated(self) -> bool:
        """Whether any of its numbers is no latency."""
        return any(lane.result.emulated for lane in self.lanes)

    def spans(self) -> list[Span]:
        """Return when each round ran, over all results."""
        count = max((len(lane.result.rounds) for lane in self.lanes), default=0)
        return [_span(self.lanes, index) for index in range(count)]

    def readings(self) -> list[Reading]:
        """Return the readings of all rounds in order, on the axis of the points."""
        found = [
            replace(seen, at_s=seen.at_s - lane.origin_s)
            for lane in self.lanes
            for one in lane.result.rounds
            for seen in one.readings
        ]
        return sorted(found, key=lambda seen: seen.at_s)


def devices_of(session: BenchSession) -> list[DeviceLanes]:
    """Return the devices of a session with their results that have rounds, in order."""
    groups: dict[tuple[str, str | None], list[BenchResult]] = {}
    for result in session.results:
        if result.rounds:
            groups.setdefault((result.device.name, result.device.serial), []).append(result)
    names = [name for name, _ in groups]
    return [
        _device(results, twin=names.count(results[0].device.name) > 1)
        for results in groups.values()
    ]


def _device(results: Sequence[BenchResult], *, twin: bool) -> DeviceLanes:
    begins = [_begin(result) for result in results]
    told = [begin for begin in begins if begin is not None]
    # Without a common clock every result begins at 0.
    shared = min(told) if len(told) == len(begins) else None
    lanes = []
    for result, begin in zip(results, begins, strict=True):
        origin = shared if shared is not None else _own_origin(result, begin)
        later = 0.0 if shared is None or begin is None else begin - shared
        points = [replace(one, at_s=one.at_s + later) for one in moments(result.rounds)]
        lanes.append(Lane(result, tuple(points), origin))
    return DeviceLanes(_name(results[0].device, twin), tuple(lanes))


def _begin(result: BenchResult) -> float | None:
    """Return when the first inference began, None when not every round tells its own."""
    known = [one.started_s for one in result.rounds]
    return None if None in known else known[0]


def _own_origin(result: BenchResult, begin: float | None) -> float:
    if begin is not None:
        return begin
    return min((seen.at_s for one in result.rounds for seen in one.readings), default=0.0)


def _name(device: DeviceFacts, twin: bool) -> str:
    """Equal phones are told apart by the end of their serial; pictures are passed around."""
    return f"{device.name} (…{device.serial[-4:]})" if twin and device.serial else device.name


def _span(lanes: Iterable[Lane], index: int) -> Span:
    begins, ends, hot = [], [], False
    for lane in lanes:
        rounds = lane.result.rounds
        if index < len(rounds):
            begin = lane.points[0].at_s + starts(rounds)[index]
            begins.append(begin)
            ends.append(begin + seconds_of(rounds[index]))
            hot = hot or rounds[index].throttled is not None
    return Span(min(begins), max(ends), hot)


def broken_line(pairs: Iterable[tuple[float, float | None]]) -> tuple[list[float], list[float]]:
    """Return x and y of what was read, with a break (nan) where nothing was for a while."""
    xs: list[float] = []
    ys: list[float] = []
    for x, y in pairs:
        if y is None:
            continue
        if xs and x - xs[-1] > GAP_S:
            xs.append(xs[-1])
            ys.append(math.nan)
        xs.append(x)
        ys.append(y)
    return xs, ys
