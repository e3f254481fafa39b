"""Validation images as a network sees them during training, for pictures."""

from dataclasses import dataclass
from typing import Final

from topformer_cli.data.decode import Pixels
from topformer_cli.engine.box_matches import Detections, Objects

EXAMPLES: Final = 4
"""How many validation images are looked at during training."""

SHOWN_SCORE: Final = 0.3
"""The least score of a box that is looked at."""


@dataclass(frozen=True, slots=True)
class MapExample:
    """An image [H, W, 3] with the labels [H, W] it should have and those it got."""

    id: str
    image: Pixels
    truth: Pixels
    predicted: Pixels


@dataclass(frozen=True, slots=True)
class BoxExample:
    """An image [H, W, 3] with the objects that are in it and the boxes that were found."""

    id: str
    image: Pixels
    truth: Objects
    predicted: Detections


Example = MapExample | BoxExample


def example_indices(total: int) -> list[int]:
    """Choose images from all parts of a split of so many, the same each time."""
    count = min(EXAMPLES, total)
    return [total * number // count for number in range(count)]
