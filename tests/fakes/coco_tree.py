"""A small COCO 2017 tree in its exact format, with made-up images and what is odd in the real one.

    coco/{train2017,val2017}/000000000009.jpg      some grey
    coco/annotations/instances_train2017.json      and captions, keypoints, which nobody needs here

Of each split: the first image has a crowd, the second no object, the third a box of less than a
pixel and one without width, the fourth is grey and has a box that leaves it by a fraction of a
pixel, the fifth is smaller than 32 pixels. Ids have gaps and no order.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.fakes.archives import pack
from tests.fakes.blocks import coloured, save_image
from tests.fakes.runs import plain_runs
from topformer_cli.data.datasets.coco import CATEGORIES, CLASSES

CROWD, EMPTY, TINY, GREY, SMALL = range(5)
"""The odd images of a split, by their place in it."""

PERSON = 1
LICENCES = (
    "Attribution-NonCommercial-ShareAlike License",
    "Attribution-NonCommercial License",
    "Attribution-NonCommercial-NoDerivs License",
    "Attribution License",
    "Attribution-ShareAlike License",
    "Attribution-NoDerivs License",
    "No known copyright restrictions",
    "United States Government Work",
)

Bounds = tuple[float, float, float, float]


def make_coco(
    folder: Path, train: int, val: int, *, wrong_size: bool = False, seed: int = 0
) -> Path:
    """Write `folder/coco` and return it.

    wrong_size gives the last training image another size in the JSON.
    """
    root = folder / "coco"
    rng = np.random.default_rng(seed)
    for split, count, first in (("train2017", train, 9), ("val2017", val, 139)):
        images: list[dict[str, Any]] = []
        objects: list[dict[str, Any]] = []
        for number in range(count):
            image, found = _example(rng, root / split, number, first + number * 61)
            images.append(image)
            objects += found
        if wrong_size and split == "train2017":
            images[-1]["height"] += 7
        _write_json(root, split, images, objects)
    return root


def pack_coco(root: Path, out: Path) -> dict[str, Path]:
    """Write the archives that such a tree comes from, and return them by name."""
    packed = [pack(out / f"{name}.zip", {name: root / name}) for name in ("train2017", "val2017")]
    annotations = {"annotations": root / "annotations"}
    packed.append(pack(out / "annotations_trainval2017.zip", annotations))
    return {path.name: path for path in packed}


def _example(
    rng: np.random.Generator, folder: Path, place: int, number: int
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Write an image and return its entry and those of its objects."""
    height, width = (24, 40) if place == SMALL else (int(rng.integers(96, 160)), 176)
    labels = np.full((height, width), 200, np.uint16)
    objects = [] if place == EMPTY else _objects(rng, labels, number)
    if place == CROWD:
        objects.append(_crowd(labels, number))
    if place == TINY:
        objects += [_object(18, (3.5, 4.25, 0.4, 0.6), number), _object(3, (9, 9, 0, 5), number)]
    if place == GREY:
        objects.append(_object(62, (width - 20.5, 10, 20.83, 30), number))
    mode = "L" if place == GREY else "RGB"
    save_image(folder / f"{number:012d}.jpg", coloured(rng, labels), mode)
    for index, one in enumerate(objects):
        one["id"] = 2_000_000 - 97 * number - index
    return _image(folder.name, number, (height, width)), objects


def _image(split: str, number: int, size: tuple[int, int]) -> dict[str, Any]:
    name = f"{number:012d}.jpg"
    return {
        "license": number % len(LICENCES) + 1,
        "file_name": name,
        "coco_url": f"http://images.cocodataset.org/{split}/{name}",
        "height": size[0],
        "width": size[1],
        "date_captured": "2013-11-14 11:18:45",
        "flickr_url": f"http://farm1.staticflickr.com/1/{number}_z.jpg",
        "id": number,
    }


def _objects(
    rng: np.random.Generator, labels: NDArray[np.uint16], number: int
) -> list[dict[str, Any]]:
    """Paint one to five rectangles; what hides another's part is not taken off its box."""
    height, width = labels.shape
    objects = []
    for category in rng.choice(CATEGORIES, int(rng.integers(1, 6))):
        wide, high = rng.integers(8, width // 2), rng.integers(8, height // 2)
        left, top = rng.integers(0, width - wide), rng.integers(0, height - high)
        labels[top : top + high, left : left + wide] = category
        bounds = (float(left), float(top), float(wide), float(high))
        objects.append(_object(int(category), bounds, number))
    return objects


def _object(category: int, bounds: Bounds, number: int) -> dict[str, Any]:
    left, top, wide, high = bounds
    right, bottom = left + wide, top + high
    return {
        "segmentation": [[left, top, right, top, right, bottom, left, bottom]],
        "area": wide * high,
        "iscrowd": 0,
        "image_id": number,
        "bbox": [left, top, wide, high],
        "category_id": category,
    }


def _crowd(labels: NDArray[np.uint16], number: int) -> dict[str, Any]:
    """Paint rows of people and return them as one region of plain run lengths."""
    mask = np.zeros(labels.shape, bool)
    mask[8:40, 10:90] = np.arange(80)[None] % 10 < 7
    labels[mask] = PERSON
    return {
        "segmentation": {"counts": plain_runs(mask), "size": list(mask.shape)},
        "area": int(mask.sum()),
        "iscrowd": 1,
        "image_id": number,
        "bbox": [10, 8, 77, 32],
        "category_id": PERSON,
    }


def _write_json(
    root: Path, split: str, images: list[dict[str, Any]], objects: list[dict[str, Any]]
) -> None:
    common = {
        "info": {"description": "COCO 2017 Dataset", "version": "1.0", "year": 2017},
        "licenses": [
            {"url": f"http://creativecommons.org/{number}", "id": number, "name": name}
            for number, name in enumerate(LICENCES, start=1)
        ],
        "images": images[::-1],
    }
    categories = [
        {"supercategory": "thing", "id": value, "name": name}
        for value, name in zip(CATEGORIES, CLASSES, strict=True)
    ]
    captions = [
        {"image_id": one["id"], "id": one["id"] + 5, "caption": "Blocks."} for one in images
    ]
    files = {
        "instances": {**common, "annotations": objects[::-1], "categories": categories},
        "captions": {**common, "annotations": captions},
        "person_keypoints": {**common, "annotations": [], "categories": categories[:1]},
    }
    folder = root / "annotations"
    folder.mkdir(parents=True, exist_ok=True)
    for kind, content in files.items():
        (folder / f"{kind}_{split}.json").write_text(json.dumps(content))
