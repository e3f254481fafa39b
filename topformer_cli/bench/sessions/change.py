"""Whether a network has become slower, beyond what the noise explains.

Slower means: the intervals of the medians do not overlap, and the ratio is above 1 + the largest
of 2 % and both runs' spreads. It counts for `--fail-over` only where both numbers are stable and
taken under the same conditions; other numbers are compared and marked. Engine version, runner and
model files may differ, since their change is what one wants to see the effect of: they are named.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from topformer_cli.bench.sessions.history import Entry, Past, entries_of
from topformer_cli.errors import ThresholdError
from topformer_cli.results import BenchSession

LEAST_NOISE: Final = 0.02

Direction = Literal["slower", "faster", "within noise", "nothing to compare"]


@dataclass(frozen=True, slots=True)
class Change:
    """A new latency beside an old one.

    noise: share by which the ratio must pass 1. unequal: conditions that differ. changed: what
    differs besides. doubts: numbers that are not stable. Without `old` the rest says nothing.
    """

    new: Entry
    old: Entry | None
    direction: Direction
    ratio: float | None = None
    noise: float = 0.0
    unequal: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()

    @property
    def regression(self) -> bool:
        """Whether it is slower beyond the noise, and both numbers are to be trusted and equal."""
        return self.direction == "slower" and not self.unequal and not self.doubts

    def describe(self) -> str:
        """Say it in one line."""
        name = f"{self.new.model} {self.new.conditions.engine} {self.new.conditions.precision}"
        now = f"{self.new.summary.median_ms:.2f} ms"
        if self.old is None or self.ratio is None:
            return f"{name}: {now}; nothing to compare with"
        before = f"{self.old.summary.median_ms:.2f} ms on {self.old.time[:16]}"
        remarks = [
            f"{word}: {', '.join(parts)}"
            for word, parts in (
                ("not under equal conditions", self.unequal),
                ("not to be trusted", self.doubts),
                ("changed", self.changed),
            )
            if parts
        ]
        verb = "REGRESSION" if self.regression else self.direction
        figures = f"{before} -> {now}, {self.ratio - 1:+.1%} (noise {self.noise:.1%})"
        return "; ".join([f"{name}: {verb}, {figures}", *remarks])


def compare(old: BenchSession | Past, new: BenchSession) -> list[Change]:
    """Return what has changed, one for each result of the new session that has a latency.

    The measure is the last stable entry of the same model, device and conditions, else the last
    such entry, else the one of the same model with the fewest conditions that differ.
    """
    past = old if isinstance(old, Past) else Past(tuple(entries_of(old)))
    return [change(_measure(past, entry), entry) for entry in entries_of(new)]


def change(old: Entry | None, new: Entry) -> Change:
    """Compare one latency with an older one."""
    if old is None or old.summary.median_ms <= 0:
        return Change(new, None, "nothing to compare")
    ratio = new.summary.median_ms / old.summary.median_ms
    noise = max(LEAST_NOISE, old.summary.spread, new.summary.spread)
    direction: Direction = "within noise"
    if new.summary.low_ms > old.summary.high_ms and ratio > 1 + noise:
        direction = "slower"
    elif new.summary.high_ms < old.summary.low_ms and ratio < 1 / (1 + noise):
        direction = "faster"
    return Change(
        new=new,
        old=old,
        direction=direction,
        ratio=ratio,
        noise=noise,
        unequal=_unequal(old, new),
        changed=_changed(old, new),
        doubts=_doubts(old, new),
    )


def require(changes: Sequence[Change], percent: float) -> None:
    """Hold changes against `--fail-over`.

    Raises:
        ThresholdError: a regression is larger than so many percent.
    """
    over = [
        one
        for one in changes
        if one.regression and one.ratio is not None and (one.ratio - 1) * 100 > percent
    ]
    if over:
        message = f"slower by more than {percent:g} %: {' | '.join(one.describe() for one in over)}"
        raise ThresholdError(message)


def _measure(past: Past, entry: Entry) -> Entry | None:
    if (like := past.last_like(entry)) is not None:
        return like
    others = [one for one in past.entries if one.model == entry.model and one.time != entry.time]
    # Of equals the last: min() takes the first, so the newest come first.
    return min(reversed(others), key=lambda one: len(_unequal(one, entry)), default=None)


def _unequal(old: Entry, new: Entry) -> tuple[str, ...]:
    differences = old.conditions.differences(new.conditions)
    if old.device_id != new.device_id and old.conditions.device == new.conditions.device:
        return (f"another {new.conditions.device}", *differences)
    return differences


def _changed(old: Entry, new: Entry) -> tuple[str, ...]:
    found = []
    if old.engine_version != new.engine_version:
        found.append(f"engine version {old.engine_version} -> {new.engine_version}")
    if old.runner_sha256 != new.runner_sha256:
        found.append("runner program")
    if set(old.files.values()) != set(new.files.values()):
        found.append("model files")
    return tuple(found)


def _doubts(old: Entry, new: Entry) -> tuple[str, ...]:
    pairs = (("old", old), ("new", new))
    return tuple(
        f"{word} number is {'emulated' if one.conditions.emulated else one.verdict}"
        for word, one in pairs
        if not one.stable
    )
