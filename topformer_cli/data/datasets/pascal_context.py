"""PASCAL Context: the images of VOC 2010, labelled in full; 60 classes, or 59 without background.

The annotators' 459 ids come as MATLAB files, or as one JSON (PASCAL in Detail) from which
mmsegmentation makes PNG masks. In all three, what is none of the 59 classes is background. Ids
of the classes: tools/convert_datasets/pascal_context.py of mmsegmentation 0.19. The JSON lacks
three of the images.
"""

from typing import Final

from topformer_cli.data.datasets import ade20k
from topformer_cli.data.spec import (
    IGNORE,
    Archive,
    Coding,
    DatasetSpec,
    DetailLayout,
    Impostor,
    Layout,
    MatMask,
    PairLayout,
    SplitFiles,
    identity_map,
    shifted_map,
)

# fmt: off
CLASSES: Final[tuple[str, ...]] = (
    "background", "aeroplane", "bag", "bed", "bedclothes", "bench", "bicycle", "bird", "boat",
    "book", "bottle", "building", "bus", "cabinet", "car", "cat", "ceiling", "chair", "cloth",
    "computer", "cow", "cup", "curtain", "dog", "door", "fence", "floor", "flower", "food",
    "grass", "ground", "horse", "keyboard", "light", "motorbike", "mountain", "mouse", "person",
    "plate", "platform", "pottedplant", "road", "rock", "sheep", "shelves", "sidewalk", "sign",
    "sky", "snow", "sofa", "table", "track", "train", "tree", "truck", "tvmonitor", "wall",
    "water", "window", "wood",
)

IDS_OF_459: Final[tuple[int, ...]] = (
    0, 2, 9, 18, 19, 22, 23, 25, 31, 33, 34, 44, 45, 46, 59, 65, 68, 72, 80, 85, 98, 104, 105, 113,
    115, 144, 158, 159, 162, 187, 189, 207, 220, 232, 258, 259, 260, 284, 295, 296, 308, 324, 326,
    347, 349, 354, 355, 360, 366, 368, 397, 415, 416, 420, 424, 427, 440, 445, 454, 458,
)
"""The id of each class among the annotators' 459; 0 is background."""
# fmt: on

VALUES_OF_459: Final = tuple(
    IDS_OF_459.index(value) if value in IDS_OF_459 else 0 for value in range(460)
)
"""The class of each of the 459 ids; those that are no class are background."""

VOC_2010: Final = Archive(
    name="VOCtrainval_03-May-2010.tar",
    urls=(
        "http://host.robots.ox.ac.uk/pascal/VOC/voc2010/VOCtrainval_03-May-2010.tar",
        "https://host.robots.ox.ac.uk/pascal/VOC/voc2010/VOCtrainval_03-May-2010.tar",
    ),
    size=1345040896,
    unpacked=1_400_000_000,
    checksums={
        "sha256": "1af4189cbe44323ab212bff7afbc7d0f55a267cc191eb3aac911037887e5c7d4",
        "sha1": "bf9985e9f2b064752bf6bd654d89f017c76c395a",
        "md5": "da459979d0c395079b5c75ee67908abb",
    },
)

# Without compression, as MATLAB can write them, the files would take 3.8 GB.
LABELS: Final = Archive(
    name="trainval.tar.gz",
    urls=(
        "https://roozbehm.info/pascal-context/trainval.tar.gz",
        "https://cs.stanford.edu/~roozbeh/pascal-context/trainval.tar.gz",
    ),
    size=None,
    about=30_700_000,
    unpacked=4_000_000_000,
    folder="VOCdevkit/VOC2010",
)

DETAIL: Final = Archive(
    name="trainval_merged.json",
    urls=("https://codalabuser.blob.core.windows.net/public/trainval_merged.json",),
    size=None,
    unpacked=0,
    checksums={
        "sha1": "169325d9f7e9047537fedca7b04de4dddf10b881",
        "md5": "3c2d0c0656b7be9eb61928ffe885d8ce",
    },
    folder="VOCdevkit/VOC2010",
    unpack=False,
    replaces=LABELS.name,
)

_IMAGES: Final = "JPEGImages"
_COUNTS: Final = {"train": 4998, "val": 5105}
_COUNTS_OF_DETAIL: Final = {"train": 4996, "val": 5104}
_TERMS: Final = (
    "images under the terms of use of Flickr; annotations published for research without a licence"
)
_OWN_MASKS: Final = "VOC 2010 with its own masks of 20 classes, without those of PASCAL Context"
_LATER: Final = "the VOC of a later year"

_IMPOSTORS: Final = (
    Impostor("JPEGImages/2011_*.jpg", _LATER),
    Impostor("JPEGImages/2012_*.jpg", _LATER),
    Impostor("59_context_labels", "the 59-class PNG masks of 2014, whose ids have another order"),
    Impostor("33_context_labels", "the variant of 33 classes"),
    Impostor("SegmentationClass", _OWN_MASKS),
)


def _layouts(coding: Coding) -> tuple[Layout, ...]:
    """Return the forms of the set: what is converted already, the JSON, the MATLAB files.

    The last two may also lie beside the VOC tree.
    """
    return (
        PairLayout(
            splits=_splits("", "SegmentationClassContext", "SegmentationContext"),
            coding=coding,
            counts=_COUNTS_OF_DETAIL,
        ),
        *(
            layout
            for tree in ("", "VOC2010/", "VOCdevkit/VOC2010/")
            for layout in (_detail(tree, coding), _mat(tree, coding))
        ),
    )


def _detail(tree: str, coding: Coding) -> DetailLayout:
    return DetailLayout(
        images=tree + _IMAGES,
        annotations=DETAIL.name,
        values=VALUES_OF_459,
        coding=coding,
        counts=_COUNTS_OF_DETAIL,
    )


def _mat(tree: str, coding: Coding) -> PairLayout:
    return PairLayout(
        splits=_splits(tree, "trainval", "Main"),
        coding=coding,
        mask_suffix=".mat",
        mat=MatMask("LabelMap", VALUES_OF_459),
    )


def _splits(tree: str, masks: str, lists: str) -> dict[str, SplitFiles]:
    return {
        split: SplitFiles(tree + _IMAGES, masks, f"{tree}ImageSets/{lists}/{split}.txt")
        for split in ("train", "val")
    }


SPEC: Final = DatasetSpec(
    name="pascal-context",
    title="PASCAL Context, 60 classes",
    classes=CLASSES,
    palette=ade20k.PALETTE[:60],
    counts=_COUNTS,
    terms=_TERMS,
    homepage="https://roozbehm.info/pascal-context/",
    folder="VOC2010",
    layouts=_layouts(Coding(identity_map(60))),
    fetched=2,
    impostors=_IMPOSTORS,
    archives=(VOC_2010, LABELS),
    also=(DETAIL,),
)

SPEC_59: Final = DatasetSpec(
    name="pascal-context-59",
    title="PASCAL Context, 59 classes",
    classes=CLASSES[1:],
    palette=ade20k.PALETTE[1:60],
    counts=_COUNTS,
    terms=_TERMS,
    homepage=SPEC.homepage,
    folder=SPEC.folder,
    layouts=_layouts(Coding(shifted_map(59), ignored=(0, IGNORE))),
    fetched=2,
    impostors=_IMPOSTORS,
    archives=(VOC_2010, LABELS),
    also=(DETAIL,),
)
