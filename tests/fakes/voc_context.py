"""A small PASCAL Context in its exact formats, with made-up images.

VOCdevkit/VOC2010/
    JPEGImages/2008_000001.jpg        with some that no list names
    ImageSets/Main/train.txt          the lists of PASCAL Context
    ImageSets/Main/car_train.txt      VOC's lists a class, with a second column
    ImageSets/Segmentation/train.txt  VOC's own masks: a part of the images, 20 classes
    SegmentationClass/2008_000001.png
    trainval/2008_000001.mat          form "mat": LabelMap, the annotators' 459 ids
    trainval_merged.json              form "json": the same as run lengths, fewer images
    SegmentationClassContext/*.png    form "png": 60 classes, as mmsegmentation makes them
"""

import json
from pathlib import Path
from typing import Any, Literal

import numpy as np
import scipy.io
from numpy.typing import NDArray
from PIL import Image

from tests.fakes.archives import pack
from tests.fakes.blocks import Picture, block_picture, save_image, save_lines, save_mask
from tests.fakes.runs import compressed_runs
from topformer_cli.data.datasets.pascal_context import CLASSES, IDS_OF_459, VALUES_OF_459

Form = Literal["mat", "json", "png"]

SKY, GRASS = 360, 187
THINGS = (284, 59, 45, 1, 300, 0)
"""Person, car, building, and three ids that are no class: they become background."""


def make_voc_context(folder: Path, train: int, val: int, form: Form = "mat", seed: int = 0) -> Path:
    """Write `folder/VOCdevkit/VOC2010` and return it."""
    root = folder / "VOCdevkit" / "VOC2010"
    rng = np.random.default_rng(seed)
    pictures: dict[str, dict[str, Picture]] = {}
    for split, count, first in (("train", train, 0), ("val", val, train)):
        names = [f"{2007 + n % 4}_{n + 1:06d}" for n in range(first, first + count)]
        pictures[split] = {name: block_picture(rng, SKY, GRASS, THINGS) for name in names}
        for name, picture in pictures[split].items():
            save_image(root / "JPEGImages" / f"{name}.jpg", picture.pixels)
        _voc_lists(root, split, names)
    save_image(root / "JPEGImages" / "2010_999999.jpg", np.zeros((96, 128, 3), np.uint8))
    _WRITE[form](root, pictures)
    return root


def pack_voc_context(root: Path, out: Path) -> dict[str, Path]:
    """Write the archives that such a tree comes from, and return them by name."""
    voc = ("JPEGImages", "ImageSets", "SegmentationClass")
    images = {f"VOCdevkit/VOC2010/{name}": root / name for name in voc}
    packed = [pack(out / "VOCtrainval_03-May-2010.tar", images)]
    if (root / "trainval").is_dir():
        labels = {name: root / name for name in ("trainval", "labels.txt")}
        packed.append(pack(out / "trainval.tar.gz", labels))
    if (merged := root / "trainval_merged.json").is_file():
        packed.append(out / merged.name)
        packed[-1].write_bytes(merged.read_bytes())
    return {path.name: path for path in packed}


def _voc_lists(root: Path, split: str, names: list[str]) -> None:
    lists = root / "ImageSets"
    save_lines(lists / "Main" / f"{split}.txt", names)
    signed = [f"{name} {'-1' if number % 2 else ' 1'}" for number, name in enumerate(names)]
    save_lines(lists / "Main" / f"car_{split}.txt", signed)
    part = names[: max(len(names) // 3, 1)]
    save_lines(lists / "Segmentation" / f"{split}.txt", part)
    for name in part:
        path = root / "SegmentationClass" / f"{name}.png"
        path.parent.mkdir(exist_ok=True)
        own = Image.fromarray(np.zeros((96, 128), np.uint8), "L").convert("P")
        own.putpalette([0, 0, 0, 128, 0, 0])
        own.save(path)


def _write_mat(root: Path, pictures: dict[str, dict[str, Picture]]) -> None:
    (root / "trainval").mkdir()
    for name, picture in (one for part in pictures.values() for one in part.items()):
        path = root / "trainval" / f"{name}.mat"
        scipy.io.savemat(path, {"LabelMap": picture.labels}, do_compression=True)
    names = dict(zip(IDS_OF_459, CLASSES, strict=True))
    save_lines(root / "labels.txt", [f"{n}: {names.get(n, f'other{n}')}" for n in range(1, 460)])


def _write_png(root: Path, pictures: dict[str, dict[str, Picture]]) -> None:
    values = np.asarray(VALUES_OF_459, np.uint16)
    for split, part in pictures.items():
        save_lines(root / "ImageSets" / "SegmentationContext" / f"{split}.txt", list(part))
        for name, picture in part.items():
            save_mask(root / "SegmentationClassContext" / f"{name}.png", values[picture.labels])


def _write_json(root: Path, pictures: dict[str, dict[str, Picture]]) -> None:
    """Write the JSON, and add an image to VOC's lists that it does not have."""
    images: list[dict[str, Any]] = []
    segments: list[dict[str, Any]] = []
    for phase, part in pictures.items():
        for name, picture in part.items():
            number = int(name.replace("_", ""))
            images.append(_image(number, name, phase, picture.labels))
            segments += [
                _segment(number, int(value), picture.labels == value)
                for value in np.unique(picture.labels)
                if value
            ]
        extra = f"2010_{900000 + len(images):06d}"
        save_image(root / "JPEGImages" / f"{extra}.jpg", np.zeros((96, 128, 3), np.uint8))
        save_lines(root / "ImageSets" / "Main" / f"{phase}.txt", [*part, extra])
    for number, one in enumerate(segments, start=1):
        one["id"] = number
    categories = [
        {"category_id": n, "name": f"category {n}", "supercategory": "other", "onlysemantic": 0}
        for n in range(1, 460)
    ]
    content = {
        "info": {"description": "Pascal Context, in full", "version": "1.0", "year": 2017},
        "images": images,
        "annos_segmentation": segments,
        "annos_occlusion": [],
        "annos_boundary": [],
        "categories": categories,
        "parts": [],
    }
    (root / "trainval_merged.json").write_text(json.dumps(content))


def _image(number: int, name: str, phase: str, labels: NDArray[np.uint16]) -> dict[str, Any]:
    height, width = labels.shape
    return {
        "image_id": number,
        "file_name": f"{name}.jpg",
        "phase": phase,
        "height": height,
        "width": width,
        "date_captured": "31-Oct-2007",
    }


def _segment(number: int, value: int, mask: NDArray[np.bool_]) -> dict[str, Any]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    top, left = int(rows[0]), int(columns[0])
    return {
        "image_id": number,
        "category_id": value,
        "segmentation": {"size": list(mask.shape), "counts": compressed_runs(mask)},
        "area": int(mask.sum()),
        "bbox": [left, top, int(columns[-1]) - left + 1, int(rows[-1]) - top + 1],
        "iscrowd": 0,
        "parts": [],
    }


_WRITE = {"mat": _write_mat, "png": _write_png, "json": _write_json}
