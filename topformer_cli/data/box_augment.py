"""Training augmentation of images with boxes: resize, flip, and padding of a whole batch.

The pipeline of mmdetection's configs/_base_/datasets/coco_detection.py, up to normalisation, which
happens on the device. With `least_short` it is the multi-scale variant (Resize, `range`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from topformer_cli.data.augment import PAD_COLOUR, fitted_size
from topformer_cli.data.decode import Pixels

MULTIPLE: Final = 32
"""What the sides of an input are padded to a multiple of."""

Corners = NDArray[np.float32]
"""Boxes [n, 4] as left, top, right, bottom in pixels."""


class BoxAugmentation(Protocol):
    """What `augment_boxes` reads; a detection recipe's `augment` section has it too."""

    @property
    def scale(self) -> tuple[int, int]:
        """(long side, short side) that an image is fitted into."""

    @property
    def least_short(self) -> int:
        """Lower end of the short side, drawn from here to that of scale; equal for one scale."""

    @property
    def flip(self) -> float:
        """Probability of a horizontal flip."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxAugmentSettings:
    """The settings of the 1x schedule; see `BoxAugmentation`."""

    scale: tuple[int, int] = (1333, 800)
    least_short: int = 800
    flip: float = 0.5


def augment_boxes(
    image: Pixels, boxes: Corners, settings: BoxAugmentation, rng: np.random.Generator
) -> tuple[Pixels, Corners]:
    """Resize an image [H, W, 3] with its boxes, and flip it or not; the ratio is kept."""
    long, short = settings.scale
    if settings.least_short < short:
        short = int(rng.integers(settings.least_short, short + 1))
    pixels, boxes = resize_boxes(image, boxes, (long, short))
    if rng.random() < settings.flip:
        width = pixels.shape[1]
        pixels = np.asarray(cv2.flip(pixels, 1), np.uint8)
        boxes = np.stack((width - boxes[:, 2], boxes[:, 1], width - boxes[:, 0], boxes[:, 3]), 1)
    return pixels, boxes


def resize_boxes(image: Pixels, boxes: Corners, scale: tuple[int, int]) -> tuple[Pixels, Corners]:
    """Fit an image [H, W, 3] with its boxes into (long side, short side)."""
    pixels = resize_to_fit(image, scale)
    height, width = pixels.shape[:2]
    factors = np.array([width / image.shape[1], height / image.shape[0]] * 2, np.float32)
    limits = np.array([width, height] * 2, np.float32)
    return pixels, np.clip(boxes * factors, 0, limits)


def resize_to_fit(image: Pixels, scale: tuple[int, int]) -> Pixels:
    """Fit an image [H, W, 3] into (long side, short side), bilinearly."""
    size = fitted_size(image.shape[0], image.shape[1], scale)
    if image.shape[:2] == size:
        return image
    return np.asarray(cv2.resize(image, size[::-1], interpolation=cv2.INTER_LINEAR), np.uint8)


def padded_batch(images: Sequence[Pixels]) -> Pixels:
    """Put images below and to the right of which PAD_COLOUR fills up to a common size.

    Its sides are the smallest multiples of MULTIPLE that hold every image.
    """
    height, width = (
        -(-max(image.shape[axis] for image in images) // MULTIPLE) * MULTIPLE for axis in (0, 1)
    )
    batch = np.empty((len(images), height, width, 3), np.uint8)
    for place, image in zip(batch, images, strict=True):
        rows, columns = image.shape[:2]
        place[:rows, :columns] = image
        place[rows:] = PAD_COLOUR
        place[:rows, columns:] = PAD_COLOUR
    return batch
