"""Training augmentation: the authors' pipeline, computed in an order that wastes no pixels.

    authors   decode -> resize the whole image -> crop -> flip -> colours -> normalise -> pad
    here      decode -> choose scale and crop -> resize the chosen window -> flip -> colours -> pad

The distribution is the authors': the label test of the crop looks at the window in the source
image, which is the same test at another resolution. Colours go through tables, since each step
depends on one channel's value alone. Settings and ranges: configs and pipelines of the authors'
code (mmsegmentation 0.19: Resize, RandomCrop, RandomFlip, PhotoMetricDistortion, Pad).
"""

from dataclasses import dataclass
from typing import Final, Protocol

import cv2
import numpy as np

from topformer_cli.data.decode import Pixels
from topformer_cli.data.spec import IGNORE

PAD_COLOUR: Final = (124, 116, 104)
"""ImageNet's mean colour, rounded: what the authors' padding with 0 after normalisation means."""

CROP_TRIES: Final = 10
_BRIGHTNESS: Final = 32.0
_CONTRAST: Final = (0.5, 1.5)
_SATURATION: Final = (0.5, 1.5)
_HUE: Final = 18
_HUES: Final = 180
_LEVELS: Final = np.arange(256, dtype=np.float32)


class Augmentation(Protocol):
    """What `augment` reads; a recipe's `augment` section has it too."""

    @property
    def crop(self) -> tuple[int, int]:
        """(height, width) of the result."""

    @property
    def scale(self) -> tuple[int, int]:
        """(long side, short side) that an image is fitted into at ratio 1."""

    @property
    def ratio(self) -> tuple[float, float]:
        """Range of the random factor on the scale."""

    @property
    def flip(self) -> float:
        """Probability of a horizontal flip."""

    @property
    def cat_max_ratio(self) -> float:
        """A crop in which one class covers this share or more is drawn again."""

    @property
    def photometric(self) -> bool:
        """Whether colours are distorted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AugmentSettings:
    """The authors' settings for ADE20K at 512x512; see `Augmentation`."""

    crop: tuple[int, int] = (512, 512)
    scale: tuple[int, int] = (2048, 512)
    ratio: tuple[float, float] = (0.5, 2.0)
    flip: float = 0.5
    cat_max_ratio: float = 0.75
    photometric: bool = True


@dataclass(frozen=True, slots=True)
class Window:
    """A crop of the resized image: its place in the source and its size after resizing.

    rows, columns: of the source, half open. height, width: of the resized crop, at most the
    requested crop's.
    """

    rows: tuple[int, int]
    columns: tuple[int, int]
    height: int
    width: int

    def of(self, pixels: Pixels) -> Pixels:
        """Return the window's part of a source image or mask, as a view."""
        return pixels[slice(*self.rows), slice(*self.columns)]


def augment(
    image: Pixels, mask: Pixels, settings: Augmentation, rng: np.random.Generator
) -> tuple[Pixels, Pixels]:
    """Return one random training crop.

    image: [H, W, 3] RGB; mask: [H, W] train ids. Returns [*crop, 3] RGB and [*crop] train ids;
    what lies outside the image has PAD_COLOUR and 255.
    """
    window = choose_window(mask, settings, rng)
    size = (window.width, window.height)
    pixels = cv2.resize(window.of(image), size, interpolation=cv2.INTER_LINEAR)
    labels = cv2.resize(window.of(mask), size, interpolation=cv2.INTER_NEAREST)
    if rng.random() < settings.flip:
        pixels, labels = cv2.flip(pixels, 1), cv2.flip(labels, 1)
    if settings.photometric:
        pixels = distort_colours(pixels, rng)
    return _pad(pixels, PAD_COLOUR, settings.crop), _pad(labels, IGNORE, settings.crop)


def fitted_size(height: int, width: int, scale: tuple[int, int]) -> tuple[int, int]:
    """Return the (height, width) of an image resized, ratio kept, to fit into (long, short).

    Rounding is the authors': int(side * factor + 0.5).
    """
    factor = min(max(scale) / max(height, width), min(scale) / min(height, width))
    return max(int(height * factor + 0.5), 1), max(int(width * factor + 0.5), 1)


def choose_window(mask: Pixels, settings: Augmentation, rng: np.random.Generator) -> Window:
    """Draw a scale and a crop of the resized image, drawn again while one class fills it.

    After CROP_TRIES refusals the next crop is taken as it is.
    """
    height, width = mask.shape
    ratio = rng.uniform(*settings.ratio)
    scale = (int(settings.scale[0] * ratio), int(settings.scale[1] * ratio))
    resized = fitted_size(height, width, scale)
    window = _draw_window((height, width), resized, settings.crop, rng)
    if settings.cat_max_ratio >= 1 or _fits(resized, settings.crop):
        return window
    for _ in range(CROP_TRIES):
        if _varied(window.of(mask), settings.cat_max_ratio):
            break
        window = _draw_window((height, width), resized, settings.crop, rng)
    return window


def distort_colours(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Change brightness, contrast, saturation and hue of [H, W, 3] RGB, each with probability 1/2.

    Contrast comes first or last with equal probability.
    """
    shift = rng.uniform(-_BRIGHTNESS, _BRIGHTNESS) if rng.random() < 0.5 else 0.0
    contrast_first = rng.random() < 0.5
    contrast = _linear(rng.uniform(*_CONTRAST), 0.0) if rng.random() < 0.5 else None
    saturation = rng.uniform(*_SATURATION) if rng.random() < 0.5 else 1.0
    turn = int(rng.integers(-_HUE, _HUE)) if rng.random() < 0.5 else 0
    table = _linear(1.0, shift)
    if contrast is not None and contrast_first:
        table = contrast[table]
    pixels = np.asarray(cv2.LUT(pixels, table), np.uint8)
    if saturation != 1.0 or turn:
        pixels = _change_hsv(pixels, saturation, turn)
    if contrast is not None and not contrast_first:
        pixels = np.asarray(cv2.LUT(pixels, contrast), np.uint8)
    return pixels


def _draw_window(
    source: tuple[int, int],
    resized: tuple[int, int],
    crop: tuple[int, int],
    rng: np.random.Generator,
) -> Window:
    top, bottom, height = _draw_span(source[0], resized[0], crop[0], rng)
    left, right, width = _draw_span(source[1], resized[1], crop[1], rng)
    return Window((top, bottom), (left, right), height, width)


def _draw_span(
    source: int, resized: int, crop: int, rng: np.random.Generator
) -> tuple[int, int, int]:
    """Draw a crop along one axis; return its start and end in the source and its resized length."""
    length = min(crop, resized)
    offset = int(rng.integers(0, max(resized - crop, 0) + 1))
    step = source / resized
    start = min(int(offset * step), source - 1)
    end = min(max(int(np.ceil((offset + length) * step)), start + 1), source)
    return start, end, length


def _fits(resized: tuple[int, int], crop: tuple[int, int]) -> bool:
    """Say whether the whole image is the only possible crop, so that drawing again is futile."""
    return resized[0] <= crop[0] and resized[1] <= crop[1]


def _varied(labels: Pixels, cat_max_ratio: float) -> bool:
    counts = cv2.calcHist([labels], [0], None, [256], [0, 256]).ravel()[:IGNORE]
    return bool(np.count_nonzero(counts) > 1 and counts.max() < cat_max_ratio * counts.sum())


def _linear(factor: float, shift: float) -> Pixels:
    levels = np.clip(_LEVELS * np.float32(factor) + np.float32(shift), 0, 255)
    return np.asarray(levels, np.uint8)


def _change_hsv(pixels: Pixels, saturation: float, turn: int) -> Pixels:
    table = np.empty((256, 1, 3), np.uint8)
    table[:, 0, 0] = (np.arange(256) + turn) % _HUES
    table[:, 0, 1] = _linear(saturation, 0.0)
    table[:, 0, 2] = np.arange(256)
    hsv = cv2.LUT(cv2.cvtColor(pixels, cv2.COLOR_RGB2HSV), table)
    return np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB), np.uint8)


def _pad(pixels: Pixels, value: int | tuple[int, int, int], crop: tuple[int, int]) -> Pixels:
    """Fill up to the crop's size below and on the right."""
    if pixels.shape[:2] == crop:
        return pixels
    padded = np.empty((*crop, *pixels.shape[2:]), np.uint8)
    padded[...] = value
    padded[: pixels.shape[0], : pixels.shape[1]] = pixels
    return padded
