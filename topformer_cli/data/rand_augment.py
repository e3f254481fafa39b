"""RandAugment: a few operations of fifteen, drawn for each image, all about equally strong.

Operations, ranges and probabilities are those that timm means by `rand-m9-mstd0.5`
(timm/data/auto_augment.py): drawn with replacement, each is applied with probability 1/2, at a
magnitude from a normal distribution that is cut to 0 .. 10. timm resizes by bilinear or bicubic
interpolation at random; here it is bilinear. Pillow computes them.
"""

from collections.abc import Callable
from typing import Final, Protocol

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

from topformer_cli.data.augment import PAD_COLOUR
from topformer_cli.data.decode import Pixels

MOST: Final = 10.0
CHANCE: Final = 0.5

Operation = Callable[[Image.Image, float, int], Image.Image]
"""Changes an image by a strength 0 .. 1; where there are two directions, 1 or -1 is the one."""

Enhancer = Callable[[Image.Image], ImageEnhance._Enhance]


class RandAugment(Protocol):
    """What `rand_augment` reads; a recipe's `augment` section has it too."""

    @property
    def randaugment(self) -> int:
        """The number of operations that are drawn."""

    @property
    def magnitude(self) -> float:
        """The mean of their magnitudes, 0 .. 10."""

    @property
    def magnitude_std(self) -> float:
        """The deviation of their magnitudes."""


def rand_augment(pixels: Pixels, settings: RandAugment, rng: np.random.Generator) -> Pixels:
    """Return an RGB image [H, W, 3] after as many drawn operations as the settings say."""
    if not settings.randaugment:
        return pixels
    names, image = list(OPERATIONS), Image.fromarray(pixels)
    for _ in range(settings.randaugment):
        name = names[int(rng.integers(len(names)))]
        magnitude = rng.normal(settings.magnitude, settings.magnitude_std)
        skipped, sign = rng.random() >= CHANCE, 1 if rng.random() < 0.5 else -1
        if not skipped:
            image = OPERATIONS[name](image, min(max(magnitude, 0.0), MOST) / MOST, sign)
    return np.asarray(image)


def _autocontrast(image: Image.Image, _strength: float, _sign: int) -> Image.Image:
    return ImageOps.autocontrast(image)


def _equalize(image: Image.Image, _strength: float, _sign: int) -> Image.Image:
    return ImageOps.equalize(image)


def _invert(image: Image.Image, _strength: float, _sign: int) -> Image.Image:
    return ImageOps.invert(image)


def _rotate(image: Image.Image, strength: float, sign: int) -> Image.Image:
    return image.rotate(30 * strength * sign, Image.Resampling.BILINEAR, fillcolor=PAD_COLOUR)


def _posterize(image: Image.Image, strength: float, _sign: int) -> Image.Image:
    """Keep 0 .. 4 bits: the more, the stronger, as in the networks that it was first used for."""
    return image.point([value & ~(255 >> int(4 * strength)) for value in range(256)] * 3)


def _solarize(image: Image.Image, strength: float, _sign: int) -> Image.Image:
    return ImageOps.solarize(image, int(256 * strength))


def _solarize_add(image: Image.Image, strength: float, _sign: int) -> Image.Image:
    """Make the darker half brighter."""
    added = int(110 * strength)
    return image.point([value + added if value < 128 else value for value in range(256)] * 3)


def _enhanced(enhancer: Enhancer) -> Operation:
    """Return an operation by a factor of 0.1 .. 1.9."""

    def enhance(image: Image.Image, strength: float, _sign: int) -> Image.Image:
        return enhancer(image).enhance(0.1 + 1.8 * strength)

    return enhance


def _shear_x(image: Image.Image, strength: float, sign: int) -> Image.Image:
    return _moved(image, (1, 0.3 * strength * sign, 0, 0, 1, 0))


def _shear_y(image: Image.Image, strength: float, sign: int) -> Image.Image:
    return _moved(image, (1, 0, 0, 0.3 * strength * sign, 1, 0))


def _translate_x(image: Image.Image, strength: float, sign: int) -> Image.Image:
    return _moved(image, (1, 0, 0.45 * strength * sign * image.width, 0, 1, 0))


def _translate_y(image: Image.Image, strength: float, sign: int) -> Image.Image:
    return _moved(image, (1, 0, 0, 0, 1, 0.45 * strength * sign * image.height))


def _moved(image: Image.Image, matrix: tuple[float, ...]) -> Image.Image:
    """Take the pixel (x, y) from (a x + b y + c, d x + e y + f) of the matrix a .. f."""
    return image.transform(
        image.size, Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR, fillcolor=PAD_COLOUR
    )


OPERATIONS: Final[dict[str, Operation]] = {
    "autocontrast": _autocontrast,
    "equalize": _equalize,
    "invert": _invert,
    "rotate": _rotate,
    "posterize": _posterize,
    "solarize": _solarize,
    "solarize_add": _solarize_add,
    "colour": _enhanced(ImageEnhance.Color),
    "contrast": _enhanced(ImageEnhance.Contrast),
    "brightness": _enhanced(ImageEnhance.Brightness),
    "sharpness": _enhanced(ImageEnhance.Sharpness),
    "shear_x": _shear_x,
    "shear_y": _shear_y,
    "translate_x": _translate_x,
    "translate_y": _translate_y,
}
