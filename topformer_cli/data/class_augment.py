"""Crops of images that have one class: random ones to train on, central ones to evaluate.

Training draws a share of the image's area and a ratio of width to height (Inception's random
resized crop, as torchvision and timm have it) and turns a rectangle to noise (random erasing, as
timm has it, by pixel); neighbours in a batch can be mixed (mixup). Evaluation resizes the short
side and cuts the centre, bicubic with antialiasing: the protocol under which the published
accuracies were measured.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import cv2
import numpy as np
from PIL import Image

from topformer_cli.data.augment import change_colours, choose_colours
from topformer_cli.data.decode import Pixels
from topformer_cli.data.draws import COLOURS
from topformer_cli.data.rand_augment import rand_augment

CROP_TRIES: Final = 10

Span = tuple[int, int]
"""Rows or columns, half open."""


class ClassAugmentation(Protocol):
    """What `augment_image` reads; a recipe's `augment` section has it too."""

    @property
    def crop(self) -> tuple[int, int]:
        """(height, width) of the result."""

    @property
    def area(self) -> tuple[float, float]:
        """Range of the crop's share of the image, before it is resized."""

    @property
    def ratio(self) -> tuple[float, float]:
        """Range of the crop's width divided by its height, before it is resized."""

    @property
    def flip(self) -> float:
        """Probability of a horizontal flip."""

    @property
    def photometric(self) -> bool:
        """Whether colours are distorted."""

    @property
    def randaugment(self) -> int:
        """The number of operations of RandAugment that an image goes through."""

    @property
    def magnitude(self) -> float:
        """How strong they are, 0 .. 10."""

    @property
    def magnitude_std(self) -> float:
        """The deviation with which the magnitude is drawn."""

    @property
    def erase(self) -> float:
        """Probability that a rectangle becomes noise."""

    @property
    def mixup(self) -> float:
        """Both parameters of the Beta distribution of shares in mixed images; 0 mixes none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassAugmentSettings:
    """The usual settings for ImageNet; see `ClassAugmentation`."""

    crop: tuple[int, int] = (224, 224)
    area: tuple[float, float] = (0.08, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    flip: float = 0.5
    photometric: bool = True
    randaugment: int = 0
    magnitude: float = 9.0
    magnitude_std: float = 0.5
    erase: float = 0.0
    mixup: float = 0.0


ERASED: Final = ClassAugmentSettings(area=(0.02, 1 / 3), ratio=(0.3, 1 / 0.3))
"""What a rectangle may be that is erased (timm's defaults)."""

NOISE_MEAN: Final = np.array([123.675, 116.28, 103.53], np.float32)
NOISE_STD: Final = np.array([58.395, 57.12, 57.375], np.float32)
"""ImageNet's mean colour and deviation: noise of deviation 1 after normalisation."""


class CentreCrop(Protocol):
    """What `centre_input` reads; a recipe's `evaluation` section has it too."""

    @property
    def short_side(self) -> int:
        """What the short side is resized to, at least as long as either side of the crop."""

    @property
    def crop(self) -> tuple[int, int]:
        """(height, width) of the result."""


def augment_image(image: Pixels, settings: ClassAugmentation, rng: np.random.Generator) -> Pixels:
    """Return one random training crop [*crop, 3] of an image [H, W, 3]."""
    rows, columns = choose_crop((image.shape[0], image.shape[1]), settings, rng)
    pixels = _resize(image[slice(*rows), slice(*columns)], settings.crop)
    if rng.random() < settings.flip:
        pixels = np.asarray(cv2.flip(pixels, 1), np.uint8)
    if settings.photometric:
        pixels = change_colours(pixels, choose_colours(rng.random(COLOURS.stop - COLOURS.start)))
    pixels = rand_augment(pixels, settings, rng)
    return erase(pixels, rng) if settings.erase and rng.random() < settings.erase else pixels


def erase(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Return an image [H, W, 3] in which one rectangle is noise."""
    rows, columns = choose_crop((pixels.shape[0], pixels.shape[1]), ERASED, rng)
    shape = rows[1] - rows[0], columns[1] - columns[0], 3
    noise = rng.standard_normal(shape, np.float32) * NOISE_STD + NOISE_MEAN
    erased = pixels.copy()
    erased[slice(*rows), slice(*columns)] = np.rint(noise).clip(0, 255)
    return erased


def neighbour(number: int, count: int) -> int:
    """Return which of count images it is mixed with: 0 with 1, 2 with 3; an odd one with itself."""
    return min(number ^ 1, count - 1)


def mix_pairs(images: Sequence[Pixels], shares: Sequence[float]) -> list[Pixels]:
    """Mix images with their neighbours; shares are what is left of each of them."""
    others = [images[neighbour(number, len(images))] for number in range(len(images))]
    return [
        np.asarray(cv2.addWeighted(image, share, other, 1 - share, 0), np.uint8)
        for image, share, other in zip(images, shares, others, strict=True)
    ]


def choose_crop(
    size: tuple[int, int], settings: ClassAugmentation, rng: np.random.Generator
) -> tuple[Span, Span]:
    """Draw the rows and columns of a crop from an image of (height, width).

    Where CROP_TRIES draws do not fit, the largest central crop of an allowed ratio is taken.
    """
    for _ in range(CROP_TRIES):
        area = size[0] * size[1] * rng.uniform(*settings.area)
        ratio = math.exp(rng.uniform(math.log(settings.ratio[0]), math.log(settings.ratio[1])))
        height, width = round(math.sqrt(area / ratio)), round(math.sqrt(area * ratio))
        if 0 < height <= size[0] and 0 < width <= size[1]:
            top = int(rng.integers(0, size[0] - height + 1))
            left = int(rng.integers(0, size[1] - width + 1))
            return (top, top + height), (left, left + width)
    ratio = min(max(size[1] / size[0], settings.ratio[0]), settings.ratio[1])
    height = max(min(size[0], round(size[1] / ratio)), 1)
    width = max(min(size[1], round(size[0] * ratio)), 1)
    return _middle(size[0], height), _middle(size[1], width)


def centre_input(image: Pixels, settings: CentreCrop) -> Pixels:
    """Resize an image [H, W, 3] and cut its centre [*crop, 3] out, still 8-bit."""
    height, width = image.shape[:2]
    short = min(height, width)
    size = (settings.short_side * height // short, settings.short_side * width // short)
    resized = Image.fromarray(image).resize(size[::-1], Image.Resampling.BICUBIC)
    rows, columns = (_middle(*pair) for pair in zip(size, settings.crop, strict=True))
    return np.ascontiguousarray(np.asarray(resized)[slice(*rows), slice(*columns)])


def _middle(length: int, part: int) -> Span:
    start = round((length - part) / 2)
    return start, start + part


def _resize(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    """Resize; where it shrinks to half or less, each pixel is the mean of those it stands for."""
    halves = pixels.shape[0] >= 2 * size[0] and pixels.shape[1] >= 2 * size[1]
    how = cv2.INTER_AREA if halves else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(pixels, size[::-1], interpolation=how), np.uint8)
