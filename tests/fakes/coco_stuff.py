"""Small COCO-Stuff 10k and 164k trees in their exact formats, with made-up images.

cocostuff-10k-v1.1/                    form "mat": the archive of the 10k set
    images/COCO_train2014_*.jpg
    annotations/COCO_train2014_*.mat   S and what the authors keep beside it
    imageLists/{all,train,test}.txt
coco_stuff10k/                         form "mmseg", or "both" with all of the above
    images/{train2014,test2014}/*.jpg
    annotations/{train2014,test2014}/*_labelTrainIds.png

coco/                                  form "maps": the archives of the 164k set
    {train2017,val2017}/*.jpg
    stuffthingmaps/{train2017,val2017}/*.png
coco_stuff164k/
    images/{train2017,val2017}/*.jpg
    annotations/{train2017,val2017}/   form "raw" *.png, "mmseg" *_labelTrainIds.png, or "both"
"""

from pathlib import Path
from typing import Literal

import numpy as np
import scipy.io
from numpy.typing import NDArray

from tests.fakes.archives import pack
from tests.fakes.blocks import block_picture, save_image, save_lines, save_mask
from topformer_cli.data.datasets.coco_stuff import CLASSES, IDS

Form10k = Literal["mat", "mmseg", "both"]
Form164k = Literal["maps", "raw", "mmseg", "both"]

SKY, GRASS = 106, 124
THINGS = (1, 3, 18, 90, 92, 182, 0)
"""Person, car, dog, toothbrush, banner, wood, and what has no label."""

_FOLDERS_10K = {"train": "train2014", "test": "test2014"}


def make_coco_stuff_10k(
    folder: Path, train: int, val: int, form: Form10k = "mat", seed: int = 0
) -> Path:
    """Write the tree below `folder` and return its root."""
    root = folder / ("cocostuff-10k-v1.1" if form == "mat" else "coco_stuff10k")
    rng = np.random.default_rng(seed)
    names = [f"COCO_train2014_{number * 37 + 77:012d}" for number in range(train + val)]
    lists = {"train": names[:train], "test": names[train:]}
    for split, part in lists.items():
        for name in part:
            picture = block_picture(rng, SKY, GRASS, THINGS)
            if form != "mmseg":
                save_image(root / "images" / f"{name}.jpg", picture.pixels)
                _save_mat(root / "annotations" / f"{name}.mat", picture.labels)
            if form != "mat":
                own = _FOLDERS_10K[split]
                mask = root / "annotations" / own / f"{name}_labelTrainIds.png"
                save_image(root / "images" / own / f"{name}.jpg", picture.pixels)
                save_mask(mask, _TRAIN_IDS[picture.labels] + 1)
    if form != "mmseg":
        for split, part in {"all": names, **lists}.items():
            save_lines(root / "imageLists" / f"{split}.txt", part)
    return root


def make_coco_stuff_164k(
    folder: Path, train: int, val: int, form: Form164k = "maps", seed: int = 0
) -> Path:
    """Write the tree below `folder` and return its root."""
    root = folder / ("coco" if form == "maps" else "coco_stuff164k")
    images = root if form == "maps" else root / "images"
    masks = root / ("stuffthingmaps" if form == "maps" else "annotations")
    rng = np.random.default_rng(seed)
    for split, count, first in (("train2017", train, 9), ("val2017", val, 139)):
        for number in range(count):
            name = f"{first + number * 61:012d}"
            picture = block_picture(rng, SKY, GRASS, THINGS)
            save_image(images / split / f"{name}.jpg", picture.pixels)
            if form != "mmseg":
                save_mask(masks / split / f"{name}.png", _RAW_164K[picture.labels])
            if form in ("mmseg", "both"):
                mask = masks / split / f"{name}_labelTrainIds.png"
                save_mask(mask, np.minimum(_TRAIN_IDS[picture.labels], 255))
    return root


def pack_coco_stuff_10k(root: Path, out: Path) -> dict[str, Path]:
    """Write the archive that the form "mat" comes from, and return it by its name."""
    names = ("images", "annotations", "imageLists")
    path = pack(out / "cocostuff-10k-v1.1.zip", {name: root / name for name in names})
    return {path.name: path}


def pack_coco_stuff_164k(root: Path, out: Path) -> dict[str, Path]:
    """Write the archives that the form "maps" comes from, and return them by name."""
    splits = ("train2017", "val2017")
    packed = [pack(out / f"{split}.zip", {split: root / split}) for split in splits]
    maps = {split: root / "stuffthingmaps" / split for split in splits}
    packed.append(pack(out / "stuffthingmaps_trainval2017.zip", maps))
    return {path.name: path for path in packed}


def _train_ids() -> NDArray[np.uint16]:
    """Return the train id of each id from 0 to 182; of none 65535, which is 0 once 1 is added."""
    table = np.full(183, 0xFFFF, np.uint16)
    table[list(IDS)] = np.arange(len(IDS))
    return table


_TRAIN_IDS = _train_ids()
_RAW_164K = np.array([255, *range(182)], np.uint16)


def _save_mat(path: Path, labels: NDArray[np.uint16]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    regions = np.unique(labels, return_inverse=True)[1].reshape(labels.shape)
    content = {
        "S": labels.astype(np.uint8),
        "names": np.array(["unlabeled", *CLASSES], object)[:, None],
        "captions": np.array(["Blocks on a lawn.", "A made-up picture."], object)[:, None],
        "regionMapStuff": (regions + 1).astype(np.uint16),
        "regionLabelsStuff": np.unique(labels).astype(np.uint8)[:, None],
    }
    scipy.io.savemat(path, content, do_compression=True)
