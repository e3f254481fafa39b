"""Training augmentation: the authors' pipeline, computed in an order that wastes no pixels.

    authors   decode -> resize the whole image -> crop -> flip -> colours -> normalise -> pad
    here      decode -> choose scale and crop -> resize the chosen window -> flip -> colours -> pad

The distribution is the authors': the label test of the crop looks at a grid of points of the
window in the source image, which is the same test at another resolution. Colours go through
tables, since each step depends on one channel's value alone. Settings and ranges: configs and
pipelines of the authors' code (mmsegmentation 0.19: Resize, RandomCrop, RandomFlip,
PhotoMetricDistortion, Pad).

What is drawn, how it is rounded and what is done to pixels are apart: `choose_window` and
`choose_colours` read nothing but numbers (see draws.py) and labels, so that augmentation on a
device does the same. They compute in double precision, but for tables of colours.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import cv2
import numpy as np

from topformer_cli.data.decode import Pixels
from topformer_cli.data.draws import COLOURS, CROPS, FLIP, RATIO, Draws, whole
from topformer_cli.data.spec import IGNORE

PAD_COLOUR: Final = (124, 116, 104)
"""ImageNet's mean colour, rounded: what the authors' padding with 0 after normalisation means."""

GRID: Final = 64
"""Points a side of the grid on which the labels of a crop are counted."""

BRIGHTNESS: Final = (-32.0, 32.0)
CONTRAST: Final = (0.5, 1.5)
SATURATION: Final = (0.5, 1.5)
HUE: Final = 18
HUES: Final = 180
_STEPS: Final = 2 * np.arange(GRID) + 1
_SAME: Final = np.arange(256, dtype=np.uint8)
_LEVELS: Final = _SAME.astype(np.float32)


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


@dataclass(frozen=True, slots=True)
class Colours:
    """A change of colours; the defaults change nothing.

    A level v becomes v * contrast or v + brightness, cut to 0 .. 255 and to a whole number each
    time; saturation is a factor too; hue is turned by steps of two degrees.
    """

    brightness: float = 0.0
    contrast: float = 1.0
    contrast_first: bool = False
    saturation: float = 1.0
    hue: int = 0

    def before(self) -> Pixels:
        """Return the table [256] that applies before saturation and hue."""
        table = _linear(1.0, self.brightness)
        return _linear(self.contrast, 0.0)[table] if self.contrast_first else table

    def after(self) -> Pixels:
        """Return the table [256] that applies after them."""
        return _linear(1.0 if self.contrast_first else self.contrast, 0.0)


def augment(
    image: Pixels, mask: Pixels, settings: Augmentation, draws: Draws
) -> tuple[Pixels, Pixels]:
    """Return one random training crop.

    image: [H, W, 3] RGB; mask: [H, W] train ids; draws: [DRAWS]. Returns [*crop, 3] RGB and
    [*crop] train ids; what lies outside the image has PAD_COLOUR and 255.
    """
    pixels, labels = cut(image, mask, settings, draws)
    if settings.photometric:
        pixels = change_colours(pixels, choose_colours(draws[COLOURS]))
    return padded(pixels, labels, settings.crop)


def cut(image: Pixels, mask: Pixels, settings: Augmentation, draws: Draws) -> tuple[Pixels, Pixels]:
    """Return the resized and flipped part of an image and its mask that a crop has."""
    window = choose_window(mask, settings, draws)
    size = (window.width, window.height)
    pixels = cv2.resize(window.of(image), size, interpolation=cv2.INTER_LINEAR)
    labels = cv2.resize(window.of(mask), size, interpolation=cv2.INTER_NEAREST)
    if draws[FLIP] < settings.flip:
        pixels, labels = cv2.flip(pixels, 1), cv2.flip(labels, 1)
    return np.asarray(pixels, np.uint8), np.asarray(labels, np.uint8)


def padded(pixels: Pixels, labels: Pixels, crop: tuple[int, int]) -> tuple[Pixels, Pixels]:
    """Fill an image and its mask up to the crop's size, below and on the right."""
    return _pad(pixels, PAD_COLOUR, crop), _pad(labels, IGNORE, crop)


def fitted_size(height: int, width: int, scale: tuple[int, int]) -> tuple[int, int]:
    """Return the (height, width) of an image resized, ratio kept, to fit into (long, short).

    Rounding is the authors': int(side * factor + 0.5).
    """
    factor = min(max(scale) / max(height, width), min(scale) / min(height, width))
    return max(int(height * factor + 0.5), 1), max(int(width * factor + 0.5), 1)


def choose_window(mask: Pixels, settings: Augmentation, draws: Draws) -> Window:
    """Choose the scale and a crop of the resized image, another while one class fills it.

    mask: [H, W] train ids; draws: [DRAWS]. After CROP_TRIES refusals the next crop is taken as it
    is.
    """
    source = (mask.shape[0], mask.shape[1])
    resized = resized_size(source, settings, float(draws[RATIO]))
    tries = draws[CROPS].reshape(-1, 2).tolist()
    window = window_at(source, resized, settings.crop, tries[0])
    if settings.cat_max_ratio >= 1 or _fits(resized, settings.crop):
        return window
    for corner in tries[1:]:
        if varied(mask, window, settings.cat_max_ratio):
            break
        window = window_at(source, resized, settings.crop, corner)
    return window


def resized_size(source: tuple[int, int], settings: Augmentation, draw: float) -> tuple[int, int]:
    """Return the (height, width) that an image of (height, width) is resized to.

    Both sides of the scale are cut to whole pixels after the random factor, as the authors do.
    """
    low, high = settings.ratio
    ratio = low + draw * (high - low)
    return fitted_size(*source, (int(settings.scale[0] * ratio), int(settings.scale[1] * ratio)))


def window_at(
    source: tuple[int, int],
    resized: tuple[int, int],
    crop: tuple[int, int],
    corner: Sequence[float],
) -> Window:
    """Return the window of a crop whose corner is two numbers of [0, 1); sizes (height, width)."""
    top, bottom, height = _span(source[0], resized[0], crop[0], corner[0])
    left, right, width = _span(source[1], resized[1], crop[1], corner[1])
    return Window((top, bottom), (left, right), height, width)


def varied(mask: Pixels, window: Window, cat_max_ratio: float) -> bool:
    """Say whether a window has two classes or more, none with that share of it or above.

    Counted are GRID x GRID points, the middles of as many equal fields: row i of a window of n
    rows is its row (2 * i + 1) * n // (2 * GRID). Ignored ones do not count.
    """
    rows, columns = (
        start + _STEPS * (stop - start) // (2 * GRID)
        for start, stop in (window.rows, window.columns)
    )
    points = mask[rows][:, columns]
    counts = np.bincount(points.ravel(), minlength=IGNORE)[:IGNORE]
    return bool(np.count_nonzero(counts) > 1 and counts.max() < cat_max_ratio * counts.sum())


def choose_colours(draws: Draws) -> Colours:
    """Choose a change of colours by the numbers [9] of draws.py, each part with probability 1/2.

    Contrast comes first or last with equal probability.
    """
    lighter, light, contrasted, contrast, first, saturated, saturation, turned, turn = draws
    return Colours(
        brightness=_within(BRIGHTNESS, light) if lighter < 0.5 else 0.0,
        contrast=_within(CONTRAST, contrast) if contrasted < 0.5 else 1.0,
        contrast_first=bool(first < 0.5),
        saturation=_within(SATURATION, saturation) if saturated < 0.5 else 1.0,
        hue=whole(turn, 2 * HUE) - HUE if turned < 0.5 else 0,
    )


def change_colours(pixels: Pixels, colours: Colours) -> Pixels:
    """Change brightness, contrast, saturation and hue of [H, W, 3] RGB.

    Steps that change nothing, or that one table can do together, cost nothing.
    """
    before, after = colours.before(), colours.after()
    if colours.saturation == 1.0 and not colours.hue:
        return _looked_up(pixels, after[before])
    hsv = cv2.cvtColor(_looked_up(pixels, before), cv2.COLOR_RGB2HSV)
    hsv = _change_hsv(hsv, colours.saturation, colours.hue)
    return _looked_up(np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB), np.uint8), after)


def _looked_up(pixels: Pixels, table: Pixels) -> Pixels:
    if np.array_equal(table, _SAME):
        return pixels
    return np.asarray(cv2.LUT(pixels, table), np.uint8)


def _within(limits: tuple[float, float], draw: float) -> float:
    return limits[0] + float(draw) * (limits[1] - limits[0])


def _span(source: int, resized: int, crop: int, draw: float) -> tuple[int, int, int]:
    """Return a crop's start and end in the source along one axis, and its resized length.

    The resized crop starts at floor(draw * (resized - crop + 1)). In the source, step = source /
    resized pixels for each of its own, the start is rounded down and the end up.
    """
    length = min(crop, resized)
    offset = whole(draw, max(resized - crop, 0) + 1)
    step = source / resized
    start = min(int(offset * step), source - 1)
    end = min(max(math.ceil((offset + length) * step), start + 1), source)
    return start, end, length


def _fits(resized: tuple[int, int], crop: tuple[int, int]) -> bool:
    """Say whether the whole image is the only possible crop, so that another try is futile."""
    return resized[0] <= crop[0] and resized[1] <= crop[1]


def _linear(factor: float, shift: float) -> Pixels:
    levels = np.clip(_LEVELS * np.float32(factor) + np.float32(shift), 0, 255)
    return np.asarray(levels, np.uint8)


def _change_hsv(hsv: Pixels, saturation: float, turn: int) -> Pixels:
    """Change saturation and hue of an image of its own, in place where only one changes."""
    hues, saturations = (_SAME.astype(np.int64) + turn) % HUES, _linear(saturation, 0.0)
    if turn and saturation != 1.0:
        table = np.stack((hues, saturations, _SAME), axis=1).astype(np.uint8)
        return np.asarray(cv2.LUT(hsv, table[:, None]), np.uint8)
    # Twice as fast as a table of three channels.
    channel, only = (0, hues.astype(np.uint8)) if turn else (1, saturations)
    cv2.insertChannel(cv2.LUT(cv2.extractChannel(hsv, channel), only), hsv, channel)
    return hsv


def _pad(pixels: Pixels, value: int | tuple[int, int, int], crop: tuple[int, int]) -> Pixels:
    """Fill up to the crop's size below and on the right."""
    if pixels.shape[:2] == crop:
        return pixels
    below, right = crop[0] - pixels.shape[0], crop[1] - pixels.shape[1]
    padded = cv2.copyMakeBorder(pixels, 0, below, 0, right, cv2.BORDER_CONSTANT, value=value)
    return np.asarray(padded, np.uint8)
