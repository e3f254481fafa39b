"""Pictures of label maps: their colours, overlays, palette PNGs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

IGNORE: Final = 255
OPACITY: Final = 0.55
EDGE: Final = 0.45
"""What is left of the brightness of a pixel that lies on the border of two classes."""

WRONG: Final = (214, 16, 16)

_BAND: Final = 1 << 20
"""Pixels of a band of rows: of 50 million at a time, numbers of 8 bytes take gigabytes."""

Picture = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Legend:
    """The names and colours of train ids 0, 1, 2, ..."""

    classes: Sequence[str]
    palette: Sequence[tuple[int, int, int]]


def colours(labels: Picture, legend: Legend) -> Picture:
    """Paint a label map [H, W] as RGB [H, W, 3]; ignored pixels are black."""
    return _colour_table(legend)[labels]


def hatched(labels: Picture, legend: Legend) -> Picture:
    """Paint a label map [H, W] as RGB [H, W, 3]; ignored pixels are hatched, as in a legend."""
    return np.where((labels == IGNORE)[..., None], hatching(*labels.shape), colours(labels, legend))


def hatching(height: int, width: int) -> Picture:
    """Return grey stripes [height, width, 3], which stand for what has no class."""
    down, right = np.indices((height, width))
    stripes = np.where((down + right) // 4 % 2, 214, 160).astype(np.uint8)
    return np.repeat(stripes[..., None], 3, axis=2)


def _colour_table(legend: Legend) -> Picture:
    table = np.zeros((256, 3), np.uint8)
    table[: len(legend.palette)] = legend.palette
    return table


def overlay(image: Picture, labels: Picture, legend: Legend) -> Picture:
    """Blend a label map over its picture; shapes [H, W, 3] and [H, W]."""
    painted = colours(labels, legend).astype(np.float32)
    blended = image * (1 - OPACITY) + painted * OPACITY
    blended[labels == IGNORE] = image[labels == IGNORE]
    return blended.round().astype(np.uint8)


def with_borders(picture: Picture, labels: Picture) -> Picture:
    """Darken the borders between classes, one pixel wide; shapes [H, W, 3] and [H, W]."""
    border = np.zeros(labels.shape, bool)
    border[:, 1:] = labels[:, 1:] != labels[:, :-1]
    border[1:] |= labels[1:] != labels[:-1]
    return np.where(border[..., None], picture * EDGE, picture).round().astype(np.uint8)


def mistakes(image: Picture, truth: Picture, predicted: Picture) -> Picture:
    """Paint in red what is labelled wrong; what has no label is hatched.

    Shapes: the picture [H, W, 3], which is left in grey, and label maps [H, W].
    """
    grey = image.mean(axis=2, keepdims=True) * OPACITY + 255 * (1 - OPACITY)
    painted = np.repeat(grey, 3, axis=2)
    painted[truth != predicted] = painted[truth != predicted] * EDGE + np.array(WRONG) * (1 - EDGE)
    without = (truth == IGNORE)[..., None]
    return np.where(without, hatching(*truth.shape), painted.round()).astype(np.uint8)


def bands(labels: Picture) -> Iterator[slice]:
    """Cut the rows of a label map into bands, for what takes many bytes a pixel."""
    rows = max(1, _BAND // labels.shape[1])
    for top in range(0, labels.shape[0], rows):
        yield slice(top, min(top + rows, labels.shape[0]))


def pixel_shares(labels: Picture, legend: Legend) -> NDArray[np.float64]:
    """Return each class's share of the pixels of a label map [H, W]."""
    counts = sum(np.bincount(labels[rows].ravel(), minlength=256) for rows in bands(labels))
    return np.asarray(counts)[: len(legend.classes)] / labels.size


def largest_first(shares: NDArray[np.float64], legend: Legend) -> list[tuple[str, float]]:
    """Return (class, share) for the classes that occur, largest first."""
    named = zip(legend.classes, shares.tolist(), strict=True)
    return sorted((one for one in named if one[1]), key=lambda entry: -entry[1])


def label_image(labels: Picture, legend: Legend) -> Image.Image:
    """Return a label map as a palette picture: pixel values are train ids, 255 is ignored."""
    image = Image.frombytes("P", (labels.shape[1], labels.shape[0]), labels.tobytes())
    image.putpalette(_colour_table(legend).ravel().tolist())
    return image
