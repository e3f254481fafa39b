"""The card of a prepared set: everything that later commands need to know about it.

It is written last, so a folder without a card is not a prepared set.
"""

from pathlib import Path
from typing import Final, Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from topformer_cli.data.spec import IGNORE
from topformer_cli.errors import DataError

CARD_NAME: Final = "card.json"
VERSION: Final = 1


class DatasetCard(BaseModel):
    """What a prepared set is.

    id_map: train id of each of the 256 mask values; ignore_index of every pixel without a class.
    counts, expected: images a split, here and as published (empty for a custom set).
    median_size: (height, width) of the training images, each side's median.
    class_pixels, ignored_pixels: pixels a split, by train id.
    fingerprint: SHA-256 of names and contents, the same wherever the set is prepared.
    source_fingerprint: of the source's file names, sizes and times, to see quickly whether it
    changed.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    version: Literal[1] = VERSION
    name: str
    title: str
    task: Literal["segmentation"] = "segmentation"
    classes: tuple[str, ...]
    palette: tuple[tuple[int, int, int], ...]
    ignore_index: Literal[255] = IGNORE
    id_map: tuple[int, ...]
    counts: dict[str, int]
    expected: dict[str, int]
    median_size: tuple[int, int]
    class_pixels: dict[str, tuple[int, ...]]
    ignored_pixels: dict[str, int]
    terms: str
    homepage: str
    source: str
    source_fingerprint: str
    fingerprint: str
    warnings: tuple[str, ...]

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        classes = len(self.classes)
        if not 1 <= classes <= IGNORE or len(self.palette) != classes:
            message = f"{classes} classes and {len(self.palette)} colours"
            raise ValueError(message)
        if len(self.id_map) != 256 or not set(self.id_map) <= {*range(classes), IGNORE}:
            message = "id_map must be 256 train ids"
            raise ValueError(message)
        return self

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
        """Return each class's share of the labelled pixels of a split."""
        pixels = self.class_pixels[split]
        total = sum(pixels) or 1
        return tuple(count / total for count in pixels)

    def to_text(self) -> str:
        """Return the JSON form that `read_card` reads back."""
        return self.model_dump_json(indent=1) + "\n"


def read_card(folder: Path) -> DatasetCard:
    """Read the card of a prepared set.

    Raises:
        DataError: there is none, or it is damaged or of another version.
    """
    path = folder / CARD_NAME
    try:
        return DatasetCard.model_validate_json(path.read_bytes())
    except FileNotFoundError as error:
        message = f"{folder} is not a prepared set: it has no {CARD_NAME}"
        raise DataError(message) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        message = f"{path} is damaged: {where}: {first['msg']}; prepare the set again with --force"
        raise DataError(message) from error
