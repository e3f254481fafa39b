"""The records of label maps: of a network's evaluation, and of maps that somebody else made."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Final, Literal

from topformer_cli.results.evaluation import Headline, ResultTable, percent
from topformer_cli.results.share_groups import ShareGroup, share_groups

Counts = tuple[tuple[int, ...], ...]
"""Pixels: rows by what they are labelled, columns by what was predicted, the last for no class."""

MapIds = Literal["train", "set"]
"""How the classes of label maps are numbered: by train id, or as the set's own masks do."""

ID_NAMES: Final[Mapping[MapIds, str]] = {
    "train": "train ids",
    "set": "the data set's own ids",
}

ClassOrder = Literal["id", "name", "iou", "accuracy", "pixels"]

NAMED: Final = 3
"""How many of the images that are left out are named."""

NUMBERS: Final = ("miou", "miou_devkit", "pixel_accuracy", "mean_accuracy")
"""The scores of a whole split."""


@dataclass(frozen=True, slots=True)
class LabelScores:
    """Scores as percentages; None where no pixel is labelled.

    miou averages over classes that occur (mmsegmentation's rule), miou_devkit over all classes
    with absent ones as 0 (the ADE20K devkit's). iou, accuracy: by class, None for a class that
    occurs neither in labels nor in predictions. pixels: labelled ones by class; nothing in what
    older records say. confusion is left out of records.
    """

    miou: float | None
    miou_devkit: float | None
    pixel_accuracy: float | None
    mean_accuracy: float | None
    iou: tuple[float | None, ...]
    accuracy: tuple[float | None, ...]
    pixels: tuple[int, ...] = ()
    confusion: Counts = field(default=(), repr=False)

    @property
    def shares(self) -> tuple[float, ...]:
        """Each class's share of the labelled pixels, in percent."""
        total = sum(self.pixels) or 1
        return tuple(100 * count / total for count in self.pixels)

    @property
    def share_groups(self) -> tuple[ShareGroup, ...]:
        """The IoU averaged over frequent, less frequent and rare classes."""
        return share_groups(self.shares, self.iou)


@dataclass(frozen=True, slots=True)
class ImageScore:
    """Of one image, by its place in the split, how many pixels are labelled, and how many right."""

    place: int
    id: str
    labelled: int
    right: int

    @property
    def accuracy(self) -> float:
        """The share of the labelled pixels that are right; 1 where none is labelled."""
        return self.right / self.labelled if self.labelled else 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredMaps:
    """What label maps came to, wherever they are from.

    images are those that count; left_out says of each other one why it does not. by_image is in
    order of the images and left out of records. notes are for people.
    """

    images: int
    classes: tuple[str, ...]
    found: LabelScores
    left_out: tuple[str, ...] = ()
    by_image: tuple["ImageScore", ...] = field(default=(), repr=False)
    notes: tuple[str, ...] = ()
    schema: int = 1

    @property
    def incomplete(self) -> str | None:
        """Say how many images are left out, and why, or None."""
        if not self.left_out:
            return None
        total, some = self.images + len(self.left_out), "; ".join(self.left_out[:NAMED])
        more = "; ..." if len(self.left_out) > NAMED else ""
        return f"{len(self.left_out)} of {total} images left out ({some}{more})"

    @property
    def images_text(self) -> str:
        """How many images were scored, of how many if not of all."""
        of = f" of {self.images + len(self.left_out)}" if self.left_out else ""
        return f"{self.images}{of} images"

    @property
    def headline(self) -> Headline:
        """The mIoU; 0 where no pixel is labelled."""
        return Headline("miou", "mIoU", self.found.miou or 0.0)

    @property
    def scores(self) -> Mapping[str, float]:
        """Both kinds of mIoU, and accuracies, as far as they exist."""
        values = {name: getattr(self.found, name) for name in NUMBERS}
        return {name: value for name, value in values.items() if value is not None}

    def summary(self) -> str:
        """Return the scores in one line."""
        found = self.found
        if found.miou is None:
            return "no pixel is labelled: there is no score"
        return (
            f"{self.headline}   pixel accuracy {percent(found.pixel_accuracy)}   "
            f"mean accuracy {percent(found.mean_accuracy)}   mIoU by the ADE20K devkit's rule "
            f"{percent(found.miou_devkit)}"
        )

    def table(self, order: ClassOrder = "id") -> ResultTable:
        """Return share of the labelled pixels, IoU and accuracy by class.

        Classes are in the set's order, or by name, or the largest first; those without a value are
        the last.
        """
        found = self.found
        columns = {"class": self.classes, "pixels": tuple(map(_share, found.shares))}
        columns |= {"IoU": _percents(found.iou), "accuracy": _percents(found.accuracy)}
        shown = {name: cells for name, cells in columns.items() if cells}
        rows = tuple(zip(*shown.values(), strict=True))
        return ResultTable(tuple(shown), tuple(rows[index] for index in self._in_order(order)))

    def _in_order(self, order: ClassOrder) -> list[int]:
        found, ids = self.found, list(range(len(self.classes)))
        keys: Mapping[ClassOrder, Callable[[int], Any]] = {
            "id": lambda index: index,
            "name": lambda index: self.classes[index].casefold(),
            "iou": lambda index: _largest_first(found.iou[index]),
            "accuracy": lambda index: _largest_first(found.accuracy[index]),
            "pixels": lambda index: -found.pixels[index],
        }
        return sorted(ids, key=keys[order])

    def to_json(self) -> dict[str, Any]:
        """Return the plain record, first whose scores they are, the scores among its fields."""
        record = asdict(self)
        found: dict[str, Any] = record.pop("found")
        del found["confusion"], record["by_image"]
        whose = {name: record.pop(name) for name in type(self).__annotations__}
        groups = [asdict(group) for group in self.found.share_groups]
        return whose | record | found | {"miou_by_share": groups}


@dataclass(frozen=True, slots=True, kw_only=True)
class EvalResult(ScoredMaps):
    """What an evaluation of a network found; protocol names the test-time resize."""

    model: str
    weights: str
    dataset: str
    split: str
    protocol: str

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "EvalResult | None":
        """Read a plain record back, but for its confusion; None where it is of something else."""
        numbers = [one.name for one in fields(LabelScores) if one.name != "confusion"]
        own = [one.name for one in fields(cls) if one.name not in ("found", "by_image")]
        if not {*own, *numbers} - {"pixels", "left_out"} <= record.keys():
            return None
        values = {name: _as_tuple(value) for name, value in record.items()}
        found = LabelScores(**{name: values[name] for name in numbers if name in values})
        return cls(**{name: values[name] for name in own if name in values}, found=found)


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelMapsResult(ScoredMaps):
    """What the label maps of a folder came to.

    predictions is the folder; annotations the folder of masks that they were held against, or
    split that of the prepared set.
    """

    predictions: str
    dataset: str
    split: str | None
    annotations: str | None
    ids: MapIds

    @property
    def truth(self) -> str:
        """What the maps were held against, in words."""
        return self.annotations or f"{self.dataset} {self.split}"

    @property
    def ids_text(self) -> str:
        """How their classes are numbered, in words."""
        return ID_NAMES[self.ids]


def _percents(values: tuple[float | None, ...]) -> tuple[str, ...]:
    return tuple(map(percent, values))


def _share(value: float) -> str:
    """Return a class's share of the pixels, without rounding a rare one to none."""
    if not value:
        return "–"
    return f"{value:.2f}%" if value >= 0.005 else "<0.01%"


def _largest_first(value: float | None) -> tuple[bool, float]:
    return value is None, -(value or 0.0)


def _as_tuple(value: Any) -> Any:  # noqa: ANN401 - JSON holds anything
    return tuple(value) if isinstance(value, list) else value
