"""How an image is resized for evaluation, by the authors' code or by the paper.

    keep_ratio   fitted into (long side, short side), which may enlarge it; then each side is
                 resized up to a multiple, by a second bilinear resize (authors' code)
    stretch      resized to (width, height), ratio lost (the paper, for PASCAL Context)

Labels are never resized: logits go to the network's input size and from there to the original
size, both bilinear (whole_inference of mmsegmentation 0.19).
"""

from dataclasses import dataclass
from typing import Literal, Protocol

import cv2
import numpy as np

from topformer_cli.data.augment import fitted_size
from topformer_cli.data.decode import Pixels

Resize = Literal["keep_ratio", "stretch"]


class Evaluation(Protocol):
    """What `eval_input` reads; a recipe's `evaluation` section has it too."""

    @property
    def resize(self) -> Resize:
        """Which of the two rules."""

    @property
    def scale(self) -> tuple[int, int]:
        """(long side, short side) for keep_ratio, (width, height) for stretch."""

    @property
    def multiple(self) -> int:
        """What both sides are resized up to a multiple of; 1 for no second resize."""


@dataclass(frozen=True, slots=True)
class EvalSettings:
    """The settings of ADE20K at 512; see `Evaluation`."""

    resize: Resize = "keep_ratio"
    scale: tuple[int, int] = (2048, 512)
    multiple: int = 32


@dataclass(frozen=True, slots=True)
class EvalSizes:
    """(height, width) of an image on its way into the network.

    resized is the size after the first resize; input the network's, to which the authors resize
    the logits before they go to the original size.
    """

    original: tuple[int, int]
    resized: tuple[int, int]
    input: tuple[int, int]


def eval_sizes(height: int, width: int, settings: Evaluation) -> EvalSizes:
    """Return the sizes of an image of the given size."""
    if settings.resize == "stretch":
        resized = (settings.scale[1], settings.scale[0])
    else:
        resized = fitted_size(height, width, settings.scale)
    rows, columns = (-(-side // settings.multiple) * settings.multiple for side in resized)
    return EvalSizes((height, width), resized, (rows, columns))


def eval_input(image: Pixels, settings: Evaluation) -> Pixels:
    """Resize [H, W, 3] to the network's input size, still 8-bit."""
    sizes = eval_sizes(image.shape[0], image.shape[1], settings)
    return _resize(_resize(image, sizes.resized), sizes.input)


def _resize(image: Pixels, size: tuple[int, int]) -> Pixels:
    if image.shape[:2] == size:
        return image
    return np.asarray(cv2.resize(image, size[::-1], interpolation=cv2.INTER_LINEAR), np.uint8)
