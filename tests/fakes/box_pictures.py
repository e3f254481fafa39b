"""A custom set of boxes that can be learned: coloured blocks on grey noise, some images upright."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from topformer_cli.data.decode import encode_png
from topformer_cli.data.sources.boxes import BoxRequest

COLOURS = {4: (230, 40, 40), 2: (40, 60, 230), 9: (40, 200, 60)}
"""Category id -> colour; the ids have gaps and no order."""

NAMES = {4: "red", 2: "blue", 9: "green"}
WIDE, UPRIGHT, SMALL = (96, 128), (128, 96), (64, 64)


def make_blocks(folder: Path, train: int, val: int, *, small: bool = False) -> BoxRequest:
    """Write images and JSON files below a folder, and say how to prepare them.

    Two blocks an image, and every third image upright; small ones are square and have one. Of the
    training images the first has a crowd besides and the second a box of half a pixel, neither of
    which is trained on.
    """
    rng = np.random.default_rng(0)
    (folder / "images").mkdir(parents=True)
    first = 1
    for split, count in (("train", train), ("val", val)):
        sizes = [SMALL if small else UPRIGHT if n % 3 == 0 else WIDE for n in range(count)]
        record = _split(folder / "images", dict(enumerate(sizes, first)), rng)
        if split == "train":
            _add_what_does_not_train(record, first)
        (folder / f"{split}.json").write_text(json.dumps(record))
        first += count
    return BoxRequest(
        name="blocks",
        images=folder / "images",
        train=folder / "train.json",
        val=folder / "val.json",
        cache_dir=folder / "cache",
    )


def _split(
    folder: Path, sizes: dict[int, tuple[int, int]], rng: np.random.Generator
) -> dict[str, Any]:
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, (height, width) in sizes.items():
        pixels = rng.integers(90, 160, (height, width, 1), np.uint8).repeat(3, axis=2)
        name = f"{number:03d}.png"
        for box, category in _paint(pixels, rng):
            annotations.append(
                {
                    "id": 10 * number + len(annotations),
                    "image_id": number,
                    "category_id": category,
                    "bbox": box,
                }
            )
        (folder / name).write_bytes(encode_png(pixels))
        images.append({"id": number, "file_name": name, "height": height, "width": width})
    categories = [{"id": key, "name": name} for key, name in NAMES.items()]
    return {"images": images, "annotations": annotations, "categories": categories}


def _paint(pixels: NDArray[np.uint8], rng: np.random.Generator) -> list[tuple[list[float], int]]:
    """Paint one block, or one in each half; return box and category of each."""
    height, width = pixels.shape[:2]
    room = width if (height, width) == SMALL else width // 2
    found = []
    for start in range(0, width, room):
        wide, high = (int(side) for side in rng.integers(28, 44, 2))
        left = start + int(rng.integers(0, room - wide + 1))
        top = int(rng.integers(0, height - high + 1))
        category = int(rng.choice(list(COLOURS)))
        pixels[top : top + high, left : left + wide] = COLOURS[category]
        found.append(([float(left), float(top), float(wide), float(high)], category))
    return found


def _add_what_does_not_train(record: dict[str, Any], first: int) -> None:
    crowd = {"id": 9001, "image_id": first, "category_id": 2, "bbox": [0, 0, 60, 60]}
    speck = {"id": 9002, "image_id": first + 1, "category_id": 9, "bbox": [5, 5, 20, 0.5]}
    record["annotations"] += [{**crowd, "iscrowd": 1}, speck]
