"""Whether a score may be held against published ones, and if not, why."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Self

from topformer_cli.results.evaluation import Headline
from topformer_cli.results.ledger import Start, plain
from topformer_cli.results.published import Published

MOST_KEYS: Final = 4
"""Settings that are named before the rest is counted."""

Differences = Mapping[str, tuple[Any, Any]]
"""Setting by dotted key -> its value here and in the published run."""

IMMATERIAL: Final = frozenset(
    {"seed", "amp", "evaluation.every", "device_batch", "pixels", "compile"}
)
"""Settings that a published score does not depend on beyond noise; what device_batch does to batch
statistics is told by their own."""

_PROTOCOL: Final = "evaluation."


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """A published score beside ours; difference is ours less it, in points."""

    source: str
    value: float
    difference: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The published scores that a score may be held against, or why it may not be.

    nearest names the one that the reasons are about. condition is what nobody here can check.
    """

    beside: tuple[Beside, ...] = ()
    reasons: tuple[str, ...] = ()
    nearest: str
    condition: str = ""

    @property
    def comparable(self) -> bool:
        """Whether there is a published score for it."""
        return bool(self.beside)

    def line(self) -> str:
        """Return one line for people."""
        if not self.comparable:
            return f"not comparable: {'; '.join(self.reasons)} (held against {self.nearest})"
        scores = ", ".join(
            f"{one.source} {one.value:g} (here {one.difference:+.2f})" for one in self.beside
        )
        return f"published: {scores}{f'; {self.condition}' if self.condition else ''}"

    def to_json(self) -> dict[str, Any]:
        """Return the plain record."""
        return {"comparable": self.comparable, **asdict(self)}

    @classmethod
    def from_json(cls, record: Any) -> Self | None:  # noqa: ANN401 - a file holds anything
        """Read a record back; None if it is none."""
        try:
            return cls(
                beside=tuple(
                    Beside(
                        source=str(one["source"]),
                        value=float(one["value"]),
                        difference=float(one["difference"]),
                    )
                    for one in record["beside"]
                ),
                reasons=tuple(map(str, record["reasons"])),
                nearest=str(record["nearest"]),
                condition=str(record.get("condition", "")),
            )
        except (AttributeError, KeyError, TypeError, ValueError):
            return None


@dataclass(frozen=True, slots=True)
class Judged:
    """A published score, what speaks against it, and in how many settings its run was another."""

    row: Published
    against: tuple[str, ...]
    apart: int = 0


def judge(headline: Headline, judged: Sequence[Judged], condition: str = "") -> Comparison:
    """Return what a score may be held against.

    Of several that it may not be held against, the one whose run is most alike is told.
    """
    fitting = [one.row for one in judged if not one.against]
    if fitting:
        beside = tuple(
            Beside(
                source=row.source,
                value=row.value,
                difference=round(headline.value - row.value, 2),
            )
            for row in fitting
        )
        return Comparison(beside=beside, nearest=fitting[0].source, condition=condition)
    nearest = min(judged, key=lambda one: (one.apart, len(one.against)))
    return Comparison(reasons=nearest.against, nearest=nearest.row.source)


def about_start(start: Start, row: Published) -> list[str]:
    """Say what speaks against the weights that a run began with."""
    if not row.from_imagenet:
        return []
    if start.kind == "scratch":
        return ["no ImageNet weights"]
    if start.kind == "unknown":
        return ["began with weights of unknown origin"]
    if start.kind == "other":
        return [f"began with weights for {start.task} on {start.dataset}"]
    said = ["ImageNet weights are not the authors'"] if start.ours else []
    left = f"ImageNet weights left {start.left} tensors of the backbone as drawn"
    return said + ([left] if start.left else [])


def material(different: Differences) -> dict[str, tuple[Any, Any]]:
    """Return the differences that a score depends on."""
    return {key: pair for key, pair in different.items() if key not in IMMATERIAL}


def about_settings(different: Differences, row: Published) -> list[str]:
    """Say in which settings a run differs from the one behind a published score."""
    counted = material(different)
    tested = {key: pair for key, pair in counted.items() if key.startswith(_PROTOCOL)}
    trained = {
        key: pair
        for key, pair in counted.items()
        if key not in tested and key not in ("dataset", "schedule.iterations")
    }
    said = []
    if tested:
        said.append(f"protocol differs in {_named(tested)}")
    if trained:
        said.append(f"departs from {row.recipe}, preset {row.preset}, in {_named(trained)}")
    return said


def about_iterations(done: int, wanted: int) -> list[str]:
    """Say whether a run saw fewer, or more, steps than the one behind a published score."""
    if done == wanted:
        return []
    return [f"{'fewer' if done < wanted else 'more'} iterations ({done}, not {wanted})"]


def about_norm(images: int, row: Published) -> list[str]:
    """Say whether batch statistics were taken over as many images."""
    if images == row.norm_images:
        return []
    over = f"over {images} images, not {row.norm_images}" if images else "frozen"
    return [f"batch normalisation {over}"]


def _named(different: Differences) -> str:
    shown = [
        f"{key.removeprefix(_PROTOCOL)} ({plain(here)}, not {plain(there)})"
        for key, (here, there) in different.items()
    ]
    more = f" and {len(shown) - MOST_KEYS} more" if len(shown) > MOST_KEYS else ""
    return ", ".join(shown[:MOST_KEYS]) + more
