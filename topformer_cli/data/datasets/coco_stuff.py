"""COCO-Stuff: COCO's 80 things and 91 kinds of stuff, in all 171 classes; 10k and 164k images.

Ids run from 1 to 182; eleven of them were never drawn. The 10k release has MATLAB files with the
ids, 0 for unlabelled pixels; the 164k one has PNG masks with the ids less one, 255 for unlabelled.
Ids and colours: tools/convert_datasets/coco_stuff10k.py, coco_stuff164k.py and
mmseg/datasets/coco_stuff.py of mmsegmentation 0.19.
"""

from typing import Final

from topformer_cli.data.datasets import coco
from topformer_cli.data.spec import (
    IGNORE,
    Archive,
    Coding,
    Colour,
    DatasetSpec,
    Impostor,
    MatMask,
    PairLayout,
    SplitFiles,
    identity_map,
    shifted_map,
)

# fmt: off
STUFF: Final[tuple[str, ...]] = (
    "banner", "blanket", "branch", "bridge", "building-other", "bush", "cabinet", "cage",
    "cardboard", "carpet", "ceiling-other", "ceiling-tile", "cloth", "clothes", "clouds",
    "counter", "cupboard", "curtain", "desk-stuff", "dirt", "door-stuff", "fence", "floor-marble",
    "floor-other", "floor-stone", "floor-tile", "floor-wood", "flower", "fog", "food-other",
    "fruit", "furniture-other", "grass", "gravel", "ground-other", "hill", "house", "leaves",
    "light", "mat", "metal", "mirror-stuff", "moss", "mountain", "mud", "napkin", "net", "paper",
    "pavement", "pillow", "plant-other", "plastic", "platform", "playingfield", "railing",
    "railroad", "river", "road", "rock", "roof", "rug", "salad", "sand", "sea", "shelf",
    "sky-other", "skyscraper", "snow", "solid-other", "stairs", "stone", "straw",
    "structural-other", "table", "tent", "textile-other", "towel", "tree", "vegetable",
    "wall-brick", "wall-concrete", "wall-other", "wall-panel", "wall-stone", "wall-tile",
    "wall-wood", "water-other", "waterdrops", "window-blind", "window-other", "wood",
)

PALETTE: Final[tuple[Colour, ...]] = (
    (0, 192, 64), (0, 192, 64), (0, 64, 96), (128, 192, 192), (0, 64, 64), (0, 192, 224),
    (0, 192, 192), (128, 192, 64), (0, 192, 96), (128, 192, 64), (128, 32, 192), (0, 0, 224),
    (0, 0, 64), (0, 160, 192), (128, 0, 96), (128, 0, 192), (0, 32, 192), (128, 128, 224),
    (0, 0, 192), (128, 160, 192), (128, 128, 0), (128, 0, 32), (128, 32, 0), (128, 0, 128),
    (64, 128, 32), (0, 160, 0), (0, 0, 0), (192, 128, 160), (0, 32, 0), (0, 128, 128),
    (64, 128, 160), (128, 160, 0), (0, 128, 0), (192, 128, 32), (128, 96, 128), (0, 0, 128),
    (64, 0, 32), (0, 224, 128), (128, 0, 0), (192, 0, 160), (0, 96, 128), (128, 128, 128),
    (64, 0, 160), (128, 224, 128), (128, 128, 64), (192, 0, 32), (128, 96, 0), (128, 0, 192),
    (0, 128, 32), (64, 224, 0), (0, 0, 64), (128, 128, 160), (64, 96, 0), (0, 128, 192),
    (0, 128, 160), (192, 224, 0), (0, 128, 64), (128, 128, 32), (192, 32, 128), (0, 64, 192),
    (0, 0, 32), (64, 160, 128), (128, 64, 64), (128, 0, 160), (64, 32, 128), (128, 192, 192),
    (0, 0, 160), (192, 160, 128), (128, 192, 0), (128, 0, 96), (192, 32, 0), (128, 64, 128),
    (64, 128, 96), (64, 160, 0), (0, 64, 0), (192, 128, 224), (64, 32, 0), (0, 192, 128),
    (64, 128, 224), (192, 160, 0), (0, 192, 0), (192, 128, 96), (192, 96, 128), (0, 64, 128),
    (64, 0, 96), (64, 224, 128), (128, 64, 0), (192, 0, 224), (64, 96, 128), (128, 192, 128),
    (64, 0, 224), (192, 224, 128), (128, 192, 64), (192, 0, 96), (192, 96, 0), (128, 64, 192),
    (0, 128, 96), (0, 224, 0), (64, 64, 64), (128, 128, 224), (0, 96, 0), (64, 192, 192),
    (0, 128, 224), (128, 224, 0), (64, 192, 64), (128, 128, 96), (128, 32, 128), (64, 0, 192),
    (0, 64, 96), (0, 160, 128), (192, 0, 64), (128, 64, 224), (0, 32, 128), (192, 128, 192),
    (0, 64, 224), (128, 160, 128), (192, 128, 0), (128, 64, 32), (128, 32, 64), (192, 0, 128),
    (64, 192, 32), (0, 160, 64), (64, 0, 0), (192, 192, 160), (0, 32, 64), (64, 128, 128),
    (64, 192, 160), (128, 160, 64), (64, 128, 0), (192, 192, 32), (128, 96, 192), (64, 0, 128),
    (64, 64, 32), (0, 224, 192), (192, 0, 0), (192, 64, 160), (0, 96, 192), (192, 128, 128),
    (64, 64, 160), (128, 224, 192), (192, 128, 64), (192, 64, 32), (128, 96, 64), (192, 0, 192),
    (0, 192, 32), (64, 224, 64), (64, 0, 64), (128, 192, 160), (64, 96, 64), (64, 128, 192),
    (0, 192, 160), (192, 224, 64), (64, 128, 64), (128, 192, 32), (192, 32, 192), (64, 64, 192),
    (0, 64, 32), (64, 160, 192), (192, 64, 64), (128, 64, 160), (64, 32, 192), (192, 192, 192),
    (0, 64, 160), (192, 160, 192), (192, 192, 0), (128, 64, 96), (192, 32, 64), (192, 64, 128),
    (64, 192, 96), (64, 160, 64), (64, 64, 0),
)
# fmt: on

CLASSES: Final = (*coco.CLASSES, *STUFF)

NEVER_DRAWN: Final = (*coco.NO_CATEGORY, 91)
IDS: Final = tuple(value for value in range(1, 183) if value not in NEVER_DRAWN)
"""The id of each class."""

_RAW_10K: Final = tuple(IDS.index(value) if value in IDS else IGNORE for value in range(256))
_RAW_164K: Final = (*_RAW_10K[1:], IGNORE)
_CONVERTED: Final = "_labelTrainIds.png"
_PATH: Final = "wp-content/uploads/data/cocostuffdataset"
_HOSTS: Final = ("https://calvin.inf.ed.ac.uk", "http://calvin.inf.ed.ac.uk")

STUFF_10K: Final = Archive(
    name="cocostuff-10k-v1.1.zip",
    urls=tuple(f"{host}/{_PATH}/cocostuff-10k-v1.1.zip" for host in _HOSTS),
    size=None,
    about=2_000_000_000,
    unpacked=4_000_000_000,
    folder="cocostuff-10k-v1.1",
)

STUFF_THING_MAPS: Final = Archive(
    name="stuffthingmaps_trainval2017.zip",
    urls=tuple(f"{host}/{_PATH}/stuffthingmaps_trainval2017.zip" for host in _HOSTS),
    size=None,
    about=659_000_000,
    unpacked=1_500_000_000,
    folder="stuffthingmaps",
)

_OF_164K: Final = "images of COCO 2017, as COCO-Stuff 164k has them"
_CHALLENGE: Final = "COCO's stuff challenge, in which all things are one class"
_PANOPTIC: Final = "COCO's panoptic masks, which are RGB"
_TERMS: Final = "annotations CC BY 4.0; images under the terms of use of Flickr"


SPEC_10K: Final = DatasetSpec(
    name="coco-stuff-10k",
    title="COCO-Stuff 10k (version 1.1)",
    classes=CLASSES,
    palette=PALETTE,
    counts={"train": 9000, "val": 1000},
    terms=_TERMS,
    homepage="https://github.com/nightrome/cocostuff10k",
    folder="cocostuff-10k-v1.1",
    layouts=(
        PairLayout(
            splits={
                "train": SplitFiles("images", "annotations", "imageLists/train.txt"),
                "val": SplitFiles("images", "annotations", "imageLists/test.txt"),
            },
            coding=Coding(_RAW_10K, ignored=(0, IGNORE)),
            mask_suffix=".mat",
            mat=MatMask("S", tuple(range(183))),
        ),
        PairLayout(
            splits={
                "train": SplitFiles("images/train2014", "annotations/train2014"),
                "val": SplitFiles("images/test2014", "annotations/test2014"),
            },
            coding=Coding(shifted_map(171), ignored=(0, IGNORE)),
            mask_suffix=_CONVERTED,
        ),
    ),
    impostors=(
        Impostor("stuffthingmaps", _OF_164K),
        Impostor("images/train2017", _OF_164K),
        Impostor("train2017", _OF_164K),
        Impostor("cocostuff-10k-v1.1.json", "COCO-Stuff 10k as a JSON of regions"),
    ),
    archives=(STUFF_10K,),
)


def _pairs(images: str, masks: str, coding: Coding, suffix: str = ".png") -> PairLayout:
    return PairLayout(
        splits={
            split: SplitFiles(f"{images}{split}2017", f"{masks}{split}2017")
            for split in ("train", "val")
        },
        coding=coding,
        mask_suffix=suffix,
    )


SPEC_164K: Final = DatasetSpec(
    name="coco-stuff-164k",
    title="COCO-Stuff 164k",
    classes=CLASSES,
    palette=PALETTE,
    counts=coco.COUNTS_2017,
    terms=_TERMS,
    homepage="https://github.com/nightrome/cocostuff",
    folder="coco",
    layouts=(
        _pairs("", "stuffthingmaps/", Coding(_RAW_164K)),
        _pairs("images/", "stuffthingmaps/", Coding(_RAW_164K)),
        _pairs("images/", "annotations/", Coding(_RAW_164K)),
        _pairs("images/", "annotations/", Coding(identity_map(171)), _CONVERTED),
    ),
    impostors=(
        Impostor("imageLists", "COCO-Stuff 10k"),
        Impostor("train2014", coco.OF_2014),
        Impostor("images/train2014", coco.OF_2014),
        Impostor("stuff_train2017_pixelmaps", _CHALLENGE),
        Impostor("annotations/stuff_train2017*", _CHALLENGE),
        Impostor("panoptic_train2017", _PANOPTIC),
        Impostor("annotations/panoptic_train2017*", _PANOPTIC),
        Impostor("annotations/instances_train2017.json", "COCO 2017 without COCO-Stuff's masks"),
    ),
    archives=(coco.TRAIN_2017, coco.VAL_2017, STUFF_THING_MAPS),
)
