"""How an image is brought to a segmentation network, by the authors' code or by the paper.

    keep_ratio   fitted into (long side, short side), which may enlarge it; then each side is
                 resized up to a multiple, by a second bilinear resize (authors' code)
    stretch      resized to (width, height), ratio lost (the paper, for PASCAL Context)
    letterbox    fitted into (width, height), filled up below and to the right

Labels are never resized: logits go to the network's input size and from there to the original
size, both bilinear (whole_inference of mmsegmentation 0.19).
"""

from dataclasses import dataclass
from typing import Literal, Protocol

import cv2
import numpy as np

from topformer_cli.data.augment import PAD_COLOUR, fitted_size
from topformer_cli.data.decode import Pixels
from topformer_cli.data.looks import STEP

Resize = Literal["keep_ratio", "stretch", "letterbox"]


class Evaluation(Protocol):
    """What `eval_input` reads; a recipe's `evaluation` section has it too."""

    @property
    def resize(self) -> Resize:
        """Which of the rules."""

    @property
    def scale(self) -> tuple[int, int]:
        """(long side, short side) for keep_ratio, else (width, height)."""

    @property
    def multiple(self) -> int:
        """What both sides are resized up to a multiple of; 1 for no second resize."""


@dataclass(frozen=True, slots=True)
class EvalSettings:
    """The settings of ADE20K at 512; see `Evaluation`."""

    resize: Resize = "keep_ratio"
    scale: tuple[int, int] = (2048, 512)
    multiple: int = 32


def native(height: int, width: int, window: int) -> EvalSettings:
    """Return the settings by which windows see an image as large as it is.

    A side that is shorter than a window is resized up to a multiple of 32 pixels.
    """
    rows, columns = (
        side if side >= window else -(-side // STEP) * STEP for side in (height, width)
    )
    return EvalSettings("stretch", (columns, rows), 1)


@dataclass(frozen=True, slots=True)
class EvalSizes:
    """(height, width) of an image on its way into the network.

    resized is the size after the first resize; shown that of the image in the network's input, to
    which the authors resize the logits before they go to the original size; input the network's.
    """

    original: tuple[int, int]
    resized: tuple[int, int]
    shown: tuple[int, int]
    input: tuple[int, int]


def scaled(settings: Evaluation, factor: float) -> EvalSettings:
    """Return the settings with another scale; the authors cut fractions of pixels off."""
    first, second = (max(int(side * factor), 1) for side in settings.scale)
    return EvalSettings(settings.resize, (first, second), settings.multiple)


def eval_sizes(height: int, width: int, settings: Evaluation) -> EvalSizes:
    """Return the sizes of an image of the given size."""
    if settings.resize == "keep_ratio":
        resized = fitted_size(height, width, settings.scale)
    else:
        resized = (settings.scale[1], settings.scale[0])
    rows, columns = (-(-side // settings.multiple) * settings.multiple for side in resized)
    shown = (rows, columns)
    if settings.resize == "letterbox":
        shown = resized = letterboxed_size((height, width), shown)
    return EvalSizes((height, width), resized, shown, (rows, columns))


def eval_input(image: Pixels, settings: Evaluation) -> Pixels:
    """Resize [H, W, 3] to the network's input size, still 8-bit."""
    sizes = eval_sizes(image.shape[0], image.shape[1], settings)
    if settings.resize == "letterbox":
        return letterboxed(image, sizes.input)
    return _resize(_resize(image, sizes.resized), sizes.input)


def letterboxed_size(size: tuple[int, int], input_hw: tuple[int, int]) -> tuple[int, int]:
    """Return the (height, width) that an image has in `letterboxed`."""
    factor = min(input_hw[0] / size[0], input_hw[1] / size[1])
    height, width = (max(round(side * factor), 1) for side in size)
    return height, width


def letterboxed(image: Pixels, input_hw: tuple[int, int]) -> Pixels:
    """Fit an image [h, w, 3] into [H, W, 3], ratio kept, filled with PAD_COLOUR after it."""
    height, width = letterboxed_size((image.shape[0], image.shape[1]), input_hw)
    fitted = np.full((*input_hw, 3), PAD_COLOUR, np.uint8)
    fitted[:height, :width] = _resize(image, (height, width))
    return fitted


def _resize(image: Pixels, size: tuple[int, int]) -> Pixels:
    if image.shape[:2] == size:
        return image
    return np.asarray(cv2.resize(image, size[::-1], interpolation=cv2.INTER_LINEAR), np.uint8)
