"""A small ImageNet-1k as its tars are published, or in class folders, with made-up images.

    imagenet/ILSVRC2012_img_train.tar        n01440764.tar, each with n01440764_10026.JPEG ...
    imagenet/ILSVRC2012_img_val.tar          ILSVRC2012_val_00000001.JPEG ...
    imagenet/ILSVRC2012_devkit_t12.tar.gz    ILSVRC2012_devkit_t12/data/meta.mat, ground truth

    imagenet/{train,val}/n01440764/*.JPEG    form "folders"

As in the real set, one training image is CMYK and one is a PNG, whatever their names say.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import scipy.io
from PIL import Image

from tests.fakes.archives import pack
from tests.fakes.blocks import block_picture, save_image, save_lines
from topformer_cli.data.datasets.imagenet import DEVKIT, TRAIN, VAL
from topformer_cli.data.datasets.imagenet_classes import CLASSES, CODES

Form = Literal["tars", "folders"]

DEVKIT_FOLDER = "ILSVRC2012_devkit_t12"
INNER_NODES = ("n00001740", "n00001930", "n00002684")
"""What the kit lists besides the classes: nodes of WordNet's tree that have children."""


def chosen_codes(classes: int) -> tuple[str, ...]:
    """Return the classes of a small set, spread over all 1000."""
    return tuple(CODES[index] for index in np.linspace(0, 999, classes).astype(int))


def make_ilsvrc(folder: Path, train: int, val: int, classes: int = 3, form: Form = "tars") -> Path:
    """Write `folder/imagenet` with train images a class and val images in all; return it."""
    root = folder / "imagenet"
    codes = chosen_codes(classes)
    rng = np.random.default_rng(classes)
    for code in codes:
        for number in range(train):
            path = root / "train" / code / f"{code}_{number * 7 + 26}.JPEG"
            _save(rng, path, code, "CMYK" if (code, number) == (codes[0], 0) else "RGB")
    _as_png(next(iter(sorted((root / "train" / codes[-1]).iterdir()))))
    truth = [codes[number % classes] for number in range(val)]
    for number, code in enumerate(truth, start=1):
        _save(rng, root / "val" / code / f"ILSVRC2012_val_{number:08d}.JPEG", code)
    if form == "tars":
        _pack_images(root)
        _pack_devkit(root, truth)
    return root


def pack_ilsvrc(root: Path, out: Path) -> dict[str, Path]:
    """Copy the archives of the form "tars", and return them by name."""
    out.mkdir(parents=True, exist_ok=True)
    names = (TRAIN.name, VAL.name, DEVKIT.name)
    return {name: Path(shutil.copy(root / name, out)) for name in names}


def synset_numbers() -> dict[str, int]:
    """Return the kit's own numbers of the classes, which have another order than the codes."""
    order = np.random.default_rng(2012).permutation(len(CODES))
    return {CODES[index]: number for number, index in enumerate(order.tolist(), start=1)}


def _save(rng: np.random.Generator, path: Path, code: str, mode: str = "RGB") -> None:
    label = CODES.index(code)
    save_image(path, block_picture(rng, label, label, ()).pixels, mode)


def _as_png(path: Path) -> None:
    with Image.open(path) as image:
        image.load()
        image.convert("RGB").save(path, "PNG")


def _pack_images(root: Path) -> None:
    inner = root / "inner"
    for folder in sorted((root / "train").iterdir()):
        images = {path.name: path for path in sorted(folder.iterdir())}
        pack(inner / f"{folder.name}.tar", images)
    pack(root / TRAIN.name, {path.name: path for path in sorted(inner.iterdir())})
    images = {path.name: path for path in sorted((root / "val").rglob("*.JPEG"))}
    pack(root / VAL.name, dict(sorted(images.items())))
    for name in ("inner", "train", "val"):
        shutil.rmtree(root / name)


def _pack_devkit(root: Path, truth: Sequence[str]) -> None:
    kit = root / DEVKIT_FOLDER
    numbers = synset_numbers()
    lines = [str(numbers[code]) for code in truth]
    save_lines(kit / "data" / "ILSVRC2012_validation_ground_truth.txt", lines)
    scipy.io.savemat(kit / "data" / "meta.mat", {"synsets": _synsets(numbers)})
    save_lines(kit / "readme.txt", ["Development kit of ILSVRC 2012, tasks 1 and 2"])
    pack(root / DEVKIT.name, {DEVKIT_FOLDER: kit})
    shutil.rmtree(kit)


def _synsets(numbers: dict[str, int]) -> Any:
    """Return the kit's table: the classes by number, then the nodes above them."""
    fields = (
        "ILSVRC2012_ID", "WNID", "words", "gloss",
        "num_children", "children", "wordnet_height", "num_train_images",
    )  # fmt: skip
    names = dict(zip(CODES, CLASSES, strict=True))
    leaves = sorted(numbers.items(), key=lambda one: one[1])
    rows = [(n, code, names[code], "a class", 0, np.empty(0), 0, 1300) for code, n in leaves]
    rows += [
        (len(rows) + n, code, f"node {n}", "a node", 2, np.array([n, n + 1.0]), n, 0)
        for n, code in enumerate(INNER_NODES, start=1)
    ]
    table = np.empty((len(rows), 1), dtype=[(name, object) for name in fields])
    for index, row in enumerate(rows):
        table[index, 0] = row
    return table
