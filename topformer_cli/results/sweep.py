"""One row of a sweep: a network in one size, input and precision on one device."""

from collections.abc import Sequence
from dataclasses import dataclass

from topformer_cli.results.bench import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepPoint:
    """What one artifact costs and gives.

    label: the artifact's name. input: (height, width) in pixels. miou in percent, None where
    weights or a prepared set are missing. multiply_adds: of one forward pass.
    """

    label: str
    size: str
    input: tuple[int, int]
    engine: str
    precision: str
    device: str
    median_ms: float
    p90_ms: float | None = None
    verdict: Verdict = "stable"
    miou: float | None = None
    multiply_adds: int

    @property
    def worth(self) -> float:
        """What the time buys: mIoU, or multiply-adds where there is none."""
        return float(self.multiply_adds) if self.miou is None else self.miou


def frontier(points: Sequence[SweepPoint]) -> list[SweepPoint]:
    """Return the points that no other beats in both time and worth, the fastest first.

    Points with and without mIoU are not comparable: where any has one, the others stay out.
    """
    known = [point for point in points if point.miou is not None] or list(points)
    best: list[SweepPoint] = []
    for point in sorted(known, key=lambda one: (one.median_ms, -one.worth)):
        if not best or point.worth > best[-1].worth:
            best.append(point)
    return best


def best_under(points: Sequence[SweepPoint], budget_ms: float) -> SweepPoint | None:
    """Return the point of most worth within a time; only stable numbers count."""
    within = [
        point
        for point in frontier([one for one in points if one.verdict == "stable"])
        if point.median_ms <= budget_ms
    ]
    return within[-1] if within else None
