"""The ledger of a training: what it began with, and everything in which it departs from its preset.

It lies in the run folder as ledger.json and travels in the checkpoint, so that a score is never
held against a published one without it.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal, Self

LEDGER_SCHEMA: Final = 1

BeganWith = Literal["scratch", "imagenet", "other", "unknown"]
"""Nothing; a classifier of ImageNet; another network's weights; nobody knows which."""

Norm = Literal["plain", "sync", "frozen"]
"""Batch statistics of each device's own images, of all devices' images, or none: those of before.
"""


def plain(value: Any) -> str:  # noqa: ANN401 - a setting is anything that YAML holds
    """Return a setting's value as people type it; `unset` where there is none."""
    if value is None:
        return "unset"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(plain, value))}]"
    return str(value).lower() if isinstance(value, bool) else str(value)


@dataclass(frozen=True, slots=True)
class Departure:
    """A setting by dotted key that is not the preset's; None where one side has no such key."""

    key: str
    preset: Any
    here: Any

    def __str__(self) -> str:
        return f"{self.key} {plain(self.here)} (preset {plain(self.preset)})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """The weights that a run began with.

    task and dataset are those of the network they were taken from. ours says that topformer trained
    it. left counts the tensors of the parts that ImageNet weights are for that they did not fill.
    """

    kind: BeganWith = "scratch"
    file: str = ""
    task: str = ""
    dataset: str = ""
    ours: bool = False
    left: int = 0

    def __str__(self) -> str:
        if self.kind == "scratch":
            return "nothing: trained from scratch"
        whose = "topformer's own" if self.ours else "foreign"
        said = {
            "imagenet": f"{whose} ImageNet weights",
            "other": f"{whose} weights for {self.task} on {self.dataset}",
            "unknown": "weights of unknown origin",
        }
        left = f", {self.left} tensors of the backbone left as drawn" if self.left else ""
        return f"{said[self.kind]} ({self.file}){left}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """How a global batch is dealt out: to processes, and there to steps of at most so many images.

    per_device is that most: a batch that does not divide leaves some with one image less.
    """

    batch: int
    per_device: int
    accumulation: int = 1
    processes: int = 1
    norm: Norm = "plain"

    @property
    def norm_images(self) -> int:
        """How many images share their batch statistics; 0 where there are none."""
        if self.norm == "frozen":
            return 0
        return -(-self.batch // self.accumulation) if self.norm == "sync" else self.per_device

    @property
    def norm_text(self) -> str:
        """The kind of batch normalisation, in words."""
        return {
            "plain": f"plain, over {self.norm_images} images",
            "sync": f"synchronised, over {self.norm_images} images",
            "frozen": "frozen",
        }[self.norm]

    def __str__(self) -> str:
        return (
            f"{self.batch} images: {self.per_device} a device, {self.accumulation} accumulated, "
            f"{self.processes} processes"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingData:
    """What was trained on; partial says what is missing of a published set, if anything."""

    name: str
    fingerprint: str
    partial: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """What must be known of a run before its score is held against another one.

    size is the name of the backbone where that is not TopFormer. preset_sets are the settings in
    which the presets of the recipe differ, with this preset's values. amp is the type that `auto`
    stood for. changes tells what a resumed run found different.
    """

    recipe: str
    size: str
    preset: str
    preset_sets: Mapping[str, Any]
    departures: tuple[Departure, ...]
    start: Start
    spread: Spread
    amp: str
    seed: int
    data: TrainingData
    versions: Mapping[str, str]
    changes: tuple[str, ...] = ()
    schema: int = field(default=LEDGER_SCHEMA)

    def to_json(self) -> dict[str, Any]:
        """Return the plain record."""
        return asdict(self)

    @classmethod
    def from_json(cls, record: Any) -> Self | None:  # noqa: ANN401 - a file holds anything
        """Read a record back; None if it is no ledger that this version knows."""
        if not isinstance(record, Mapping) or record.get("schema") != LEDGER_SCHEMA:
            return None
        try:
            parts = {
                "departures": tuple(Departure(**one) for one in record["departures"]),
                "start": Start(**record["start"]),
                "spread": Spread(**record["spread"]),
                "data": TrainingData(**record["data"]),
                "changes": tuple(record["changes"]),
            }
            return cls(**{**record, **parts})
        except (KeyError, TypeError):
            return None

    def lines(self) -> tuple[tuple[str, str], ...]:
        """Return the ledger as pairs of a name and its text."""
        sets = ", ".join(f"{key} {plain(value)}" for key, value in self.preset_sets.items())
        partial = f", {self.data.partial}" if self.data.partial else ""
        versions = ", ".join(f"{name} {version}" for name, version in self.versions.items())
        return (
            ("recipe", f"{self.recipe}, {self.size}"),
            ("preset", f"{self.preset}: {sets}" if sets else self.preset),
            ("departs in", "; ".join(map(str, self.departures)) or "nothing"),
            ("began with", str(self.start)),
            ("global batch", str(self.spread)),
            ("batch norm", self.spread.norm_text),
            ("amp, seed", f"{self.amp}, {self.seed}"),
            ("data", f"{self.data.name} {self.data.fingerprint[:16]}{partial}"),
            ("versions", versions),
            *(("resumed", change) for change in self.changes),
        )
