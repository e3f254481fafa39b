"""The record of a detection network's evaluation."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from topformer_cli.results.evaluation import Headline, ResultTable, percent


@dataclass(frozen=True, slots=True)
class BoxScores:
    """COCO's numbers as percentages; None where the split has no object that one is about.

    class_ap, class_objects: by class; crowds are no objects. ap: mean over IoU 0.50 to 0.95 and
    over classes; ap50, ap75: at one IoU; small is below 32^2, medium below 96^2 square pixels. ar1,
    ar10, ar100: mean recall with at most so many boxes a class and image; by size with 100.
    """

    class_ap: tuple[float | None, ...]
    class_objects: tuple[int, ...]
    ap: float | None
    ap50: float | None
    ap75: float | None
    ap_small: float | None
    ap_medium: float | None
    ap_large: float | None
    ar1: float | None
    ar10: float | None
    ar100: float | None
    ar_small: float | None
    ar_medium: float | None
    ar_large: float | None


NUMBERS = tuple(
    field.name for field in fields(BoxScores) if field.name not in ("class_ap", "class_objects")
)
"""The twelve numbers of COCO's summary, in its order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredBoxes:
    """What boxes came to, wherever they are from; boxes counts them, notes are for people."""

    images: int
    boxes: int
    classes: tuple[str, ...]
    found: BoxScores
    notes: tuple[str, ...] = ()
    schema: int = 1

    @property
    def headline(self) -> Headline:
        """The AP; 0 where the split has no object at all."""
        return Headline("ap", "AP", self.found.ap or 0.0)

    @property
    def scores(self) -> Mapping[str, float]:
        """COCO's numbers, as far as they exist."""
        values = {name: getattr(self.found, name) for name in NUMBERS}
        return {name: value for name, value in values.items() if value is not None}

    def summary(self) -> str:
        """Return the scores in one line."""
        found = self.found
        sizes = "/".join(percent(x) for x in (found.ap_small, found.ap_medium, found.ap_large))
        return (
            f"AP {percent(found.ap)}   AP50 {percent(found.ap50)}   AP75 {percent(found.ap75)}   "
            f"AP small/medium/large {sizes}   AR {percent(found.ar100)}"
        )

    def table(self) -> ResultTable:
        """Return objects and AP by class."""
        found = self.found
        columns = (self.classes, map(str, found.class_objects), map(percent, found.class_ap))
        return ResultTable(("class", "objects", "AP"), tuple(zip(*columns, strict=True)))

    def to_json(self) -> dict[str, Any]:
        """Return the plain record, first whose scores they are, the scores among its fields."""
        record = asdict(self)
        found: dict[str, Any] = record.pop("found")
        whose = {name: record.pop(name) for name in type(self).__annotations__}
        return whose | record | found


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectionResult(ScoredBoxes):
    """What an evaluation of a network found.

    protocol names the test-time resize and how boxes were chosen; boxes counts those kept.
    """

    model: str
    weights: str
    dataset: str
    split: str
    protocol: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictionsResult(ScoredBoxes):
    """What the boxes of a results file came to; predictions and annotations are the two files."""

    predictions: str
    annotations: str
