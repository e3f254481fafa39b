"""The card of a prepared set: everything that later commands need to know about it.

It is written last, so a folder without a card is not a prepared set.
"""

import re
from pathlib import Path
from typing import Final, Literal, Protocol, Self

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from topformer_cli.data.spec import IGNORE, Task
from topformer_cli.errors import DataError

CARD_NAME: Final = "card.json"
VERSION: Final = 2

Size = tuple[int, int]
"""Height and width in pixels."""


class Coded(Protocol):
    """What says how a set's own files call its classes: the card of a set, or of a network."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Their names."""

    @property
    def codes(self) -> tuple[str, ...]:
        """What they are called in the set's own files; nothing if not known."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


class LabelFacts(_Record):
    """What is labelled in a split, by train id.

    counts: pixels of each class, or boxes, or images, by task. images: in how many images each
    class occurs. ignored: pixels without a class, or crowd boxes. objects: boxes an image as
    minimum, quartile, median, quartile and maximum. empty: images in which nothing is labelled.
    """

    counts: tuple[int, ...]
    images: tuple[int, ...]
    ignored: int
    objects: tuple[int, int, int, int, int] | None = None
    empty: int


class SplitCard(_Record):
    """One split: its images, their pixels in all, and its labels.

    smallest, median and largest are of each side by itself.
    """

    images: int
    pixels: int
    smallest: Size
    median: Size
    largest: Size
    labels: LabelFacts


class DatasetCard(_Record):
    """What a prepared set is.

    codes: the classes' names in the set's own files, such as COCO's category ids; empty if masks
    carry the numbers. id_map: train id of each of the 256 mask values, ignore_index of every
    pixel without a class; empty unless the task is segmentation. expected: images a split as
    published (empty for a custom set). source: the folder that it was made from, without its path,
    for sets are shared. fingerprint: SHA-256 of names and contents, the same
    wherever the set is prepared. source_fingerprint: of the source's file names, sizes and times,
    to see quickly whether it changed.
    """

    version: Literal[2] = VERSION
    name: str
    title: str
    task: Task
    classes: tuple[str, ...]
    palette: tuple[tuple[int, int, int], ...]
    codes: tuple[str, ...]
    ignore_index: Literal[255] = IGNORE
    id_map: tuple[int, ...]
    splits: dict[str, SplitCard]
    expected: dict[str, int]
    terms: str
    homepage: str
    source: str
    source_fingerprint: str
    fingerprint: str
    warnings: tuple[str, ...]

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        classes = len(self.classes)
        if not classes or len(self.palette) != classes or len(self.codes) not in (0, classes):
            message = f"{classes} classes, {len(self.palette)} colours, {len(self.codes)} codes"
            raise ValueError(message)
        values = 256 if self.task == "segmentation" else 0
        if len(self.id_map) != values or not set(self.id_map) <= {*range(classes), IGNORE}:
            message = f"id_map must be {values} train ids"
            raise ValueError(message)
        if "train" not in self.splits:
            message = "splits: train is missing"
            raise ValueError(message)
        return self

    @property
    def counts(self) -> dict[str, int]:
        """The number of images by split."""
        return {split: one.images for split, one in self.splits.items()}

    @property
    def median_size(self) -> Size:
        """Height and width of a typical training image."""
        return self.splits["train"].median

    @property
    def partial(self) -> str | None:
        """Say what is missing of a published set, `partial: train 24 of 20210`, or None."""
        short = [
            f"{split} {self.counts.get(split, 0)} of {expected}"
            for split, expected in self.expected.items()
            if self.counts.get(split, 0) != expected
        ]
        return f"partial: {', '.join(short)}" if short else None

    def class_shares(self, split: str) -> tuple[float, ...]:
        """Return each class's share of what is labelled in a split."""
        counts = self.splits[split].labels.counts
        total = sum(counts) or 1
        return tuple(count / total for count in counts)

    def to_text(self) -> str:
        """Return the JSON form that `parse_card` reads back."""
        return self.model_dump_json(indent=1) + "\n"


def read_card(folder: Path) -> DatasetCard:
    """Read the card of a prepared set.

    Raises:
        DataError: there is none, or it is damaged or of another version.
    """
    path = folder / CARD_NAME
    try:
        return parse_card(path.read_bytes(), str(path))
    except FileNotFoundError as error:
        message = f"{folder} is not a prepared set: it has no {CARD_NAME}"
        raise DataError(message) from error


def parse_card(text: bytes, place: str) -> DatasetCard:
    """Read a card's text.

    Raises:
        DataError: it is damaged or of another version.
    """
    try:
        return DatasetCard.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        wrong = "is of another version" if where == "version" else "is damaged"
        message = f"{place} {wrong}: {where}: {first['msg']}; prepare the set again with --force"
        raise DataError(message) from error


def prepared_path(cache_dir: Path, name: str) -> Path:
    """Return the folder of a prepared set.

    Raises:
        DataError: the name cannot be a folder's.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", name):
        message = f"data set name {name!r}: use letters, digits, - and _"
        raise DataError(message)
    return cache_dir / "data" / name
