"""Masks as ADE20K has them and label maps of the same images, to be spoilt and scored."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tests.cli.conftest import Ran, run_cli

Map = NDArray[np.uint8]
NAMES = ("ADE_val_00000001", "ADE_val_00000002", "ADE_val_00000003")
VALUES = (0, 1, 2, 5, 13, 150)
"""What the masks hold: no class, wall, building, tree, person, flag."""


def blocks(rng: np.random.Generator, values: tuple[int, ...], size: tuple[int, int]) -> Map:
    """Draw a map [height, width] of squares of 4 pixels."""
    squares = rng.choice(np.array(values, np.uint8), (size[0] // 4, size[1] // 4))
    return np.kron(squares, np.ones((4, 4), np.uint8))


def train_ids(mask: Map) -> Map:
    """Turn the values of a mask of ADE20K into train ids; what has no class becomes wall."""
    return np.maximum(mask, 1) - np.uint8(1)


class LabelMaps:
    """Three masks, and maps that are right but for a few columns of pixels.

    The first map is grey, the second has a palette, the third the name that `segment` gives it.
    """

    def __init__(self, folder: Path) -> None:
        self.truth, self.maps = folder / "annotations", folder / "maps"
        rng = np.random.default_rng(0)
        sizes = ((16, 24), (32, 20), (24, 24))
        self.masks = {
            name: blocks(rng, VALUES, size) for name, size in zip(NAMES, sizes, strict=True)
        }
        for path in (self.truth, self.maps):
            path.mkdir()
        for name, mask in self.masks.items():
            Image.fromarray(mask).save(self.truth / f"{name}.png")
            self.write(name, train_ids(np.roll(mask, 1, axis=1)))
        self.path(NAMES[2]).rename(self.maps / f"{NAMES[2]}-labels.png")
        grey = Image.open(self.path(NAMES[1]))
        grey.putpalette([value for index in range(256) for value in (index, 255 - index, 7)])
        grey.save(self.path(NAMES[1]))

    def path(self, name: str) -> Path:
        return self.maps / f"{name}.png"

    def write(self, name: str, values: NDArray[np.generic], mode: str | None = None) -> None:
        image = Image.fromarray(values)
        (image.convert(mode) if mode else image).save(self.path(name))

    def score(self, *words: str | Path) -> Ran:
        return run_cli(
            "eval", "--predictions", self.maps, "--annotations", self.truth, "--recipe", "ade20k",
            *words,
        )  # fmt: skip
