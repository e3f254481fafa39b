"""Small custom data sets and damaged files for the tests of the data code."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from topformer_cli.data.sources.custom import FolderRequest

CLASSES = "sky,128,128,128\nroad,128,64,128\ncar,64,0,128\n"
COLOURS = ((128, 128, 128), (128, 64, 128), (64, 0, 128))


def noise_image(rng: np.random.Generator, height: int = 24, width: int = 32) -> NDArray[np.uint8]:
    """Smooth noise, RGB."""
    small = rng.integers(0, 256, (4, 5, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(small, (width, height)), np.uint8)


def noise_mask(rng: np.random.Generator, height: int = 24, width: int = 32) -> NDArray[np.uint8]:
    """Blocks of the values 0, 1 and 2."""
    small = rng.integers(0, 3, (3, 4), dtype=np.uint8)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_NEAREST), np.uint8)


def write_jpeg(path: Path, pixels: NDArray[np.uint8], orientation: int = 1) -> None:
    exif = Image.Exif()
    if orientation != 1:
        exif[0x0112] = orientation
    Image.fromarray(pixels).save(path, quality=92, exif=exif)


def write_png(path: Path, pixels: NDArray[np.uint8]) -> None:
    Image.fromarray(pixels).save(path)


def make_custom(folder: Path, train: int, val: int, seed: int = 0) -> FolderRequest:
    """Write a custom set of 24x32 pictures and return the request that prepares it."""
    rng = np.random.default_rng(seed)
    for split, count in (("train", train), ("val", val)):
        images, masks = folder / "images" / split, folder / "masks" / split
        images.mkdir(parents=True)
        masks.mkdir(parents=True)
        for number in range(count):
            write_jpeg(images / f"{split}_{number:04d}.jpg", noise_image(rng))
            write_png(masks / f"{split}_{number:04d}.png", noise_mask(rng))
    (folder / "classes.txt").write_text(CLASSES)
    return FolderRequest(
        name="tiny-set",
        images=folder / "images",
        masks=folder / "masks",
        classes=str(folder / "classes.txt"),
        cache_dir=folder / "cache",
    )
