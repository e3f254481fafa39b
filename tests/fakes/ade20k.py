"""A small ADEChallengeData2016 tree in its exact format, with made-up images."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from topformer_cli.data.datasets.ade20k import CLASSES

FOLDERS = {"train": "training", "val": "validation"}


def make_ade20k(folder: Path, train: int, val: int, seed: int = 0) -> Path:
    """Write `folder/ADEChallengeData2016` and return it.

    Colours follow the classes, so that a network can learn from it.
    """
    root = folder / "ADEChallengeData2016"
    rng = np.random.default_rng(seed)
    for split, count in (("train", train), ("val", val)):
        images, masks = (root / kind / FOLDERS[split] for kind in ("images", "annotations"))
        images.mkdir(parents=True)
        masks.mkdir(parents=True)
        for number in range(1, count + 1):
            name = f"ADE_{split}_{number:08d}"
            image, mask = _picture(rng)
            _write(images / f"{name}.jpg", image)
            _write(masks / f"{name}.png", mask)
    shares = "\n".join(f"{i}\t0.0066\t1\t1\t{name}" for i, name in enumerate(CLASSES, start=1))
    (root / "objectInfo150.txt").write_text(f"Idx\tRatio\tTrain\tVal\tName\n{shares}\n")
    scenes = [
        f"ADE_{s}_{n:08d} street\n"
        for s, c in (("train", train), ("val", val))
        for n in range(1, c + 1)
    ]
    (root / "sceneCategories.txt").write_text("".join(scenes))
    return root


def _picture(rng: np.random.Generator) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    height, width = int(rng.integers(96, 160)), int(rng.integers(128, 224))
    mask = np.full((height, width), 3, np.uint8)
    mask[height // 2 :] = 7
    for value in (0, 2, 5, 13, 21, 150):
        y, x = int(rng.integers(0, height - 24)), int(rng.integers(0, width - 24))
        mask[y : y + int(rng.integers(16, 48)), x : x + int(rng.integers(16, 64))] = value
    colours = np.random.default_rng(150).integers(0, 256, (256, 3))
    noise = rng.normal(0, 12, (height, width, 3))
    return np.clip(colours[mask] + noise, 0, 255).astype(np.uint8), mask


def _write(path: Path, pixels: NDArray[np.uint8]) -> None:
    assert cv2.imwrite(str(path), pixels)
