"""Made-up pictures of coloured blocks, written in the file formats of published sets.

Colours follow the labels, so that a network can learn from them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

COLOURS = np.random.default_rng(150).integers(0, 256, (1024, 3))


@dataclass(frozen=True, slots=True)
class Picture:
    """RGB [H, W, 3] and the label of each pixel [H, W]."""

    pixels: NDArray[np.uint8]
    labels: NDArray[np.uint16]


def block_picture(
    rng: np.random.Generator, above: int, below: int, things: Sequence[int]
) -> Picture:
    """Paint two halves, and on them a block a thing."""
    height, width = int(rng.integers(96, 160)), int(rng.integers(128, 224))
    labels = np.full((height, width), above, np.uint16)
    labels[height // 2 :] = below
    for value in things:
        y, x = int(rng.integers(0, height - 24)), int(rng.integers(0, width - 24))
        labels[y : y + int(rng.integers(16, 48)), x : x + int(rng.integers(16, 64))] = value
    return Picture(coloured(rng, labels), labels)


def coloured(rng: np.random.Generator, labels: NDArray[np.uint16]) -> NDArray[np.uint8]:
    """Give each label its colour, with some noise."""
    noise = rng.normal(0, 12, (*labels.shape, 3))
    return np.clip(COLOURS[labels] + noise, 0, 255).astype(np.uint8)


def save_image(path: Path, pixels: NDArray[np.uint8], mode: str = "RGB") -> None:
    """Write a JPEG file, grey or CMYK on request; folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).convert(mode).save(path, "JPEG", quality=92)


def save_mask(path: Path, labels: NDArray[np.uint16]) -> None:
    """Write an 8-bit grey PNG; folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(labels.astype(np.uint8)).save(path)


def save_lines(path: Path, lines: Sequence[str]) -> None:
    """Write a text file of lines; folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines))
