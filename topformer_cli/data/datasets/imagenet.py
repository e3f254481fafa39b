"""ImageNet-1k (ILSVRC 2012), classification: 1000 classes, for pretraining.

Its archives need an account, so they are never downloaded; they are read as they are. Some of the
training images are CMYK, and one is a PNG file, whatever their names say.
"""

from typing import Final

from topformer_cli.data.datasets.imagenet_classes import CLASSES, CODES
from topformer_cli.data.spec import (
    Archive,
    ClassFolderLayout,
    DatasetSpec,
    IlsvrcLayout,
    Impostor,
    generated_colour,
)

TRAIN: Final = Archive(
    name="ILSVRC2012_img_train.tar",
    urls=(),
    size=147897477120,
    unpacked=0,
    checksums={
        "sha256": "b08200a27a8e34218a0e58fde36b0fe8f73bc377f4acea2d91602057c3ca45bb",
        "sha1": "43eda4fe35c1705d6606a6a7a633bc965d194284",
        "md5": "1d675b47d978889d74fa0da5fadfb00e",
    },
    unpack=False,
)

VAL: Final = Archive(
    name="ILSVRC2012_img_val.tar",
    urls=(),
    size=6744924160,
    unpacked=0,
    checksums={
        "sha256": "c7e06a6c0baccf06d8dbeb6577d71efff84673a5dbdd50633ab44f8ea0456ae0",
        "sha1": "5f3f73da3395154b60528b2b2a2caf2374f5f178",
        "md5": "29b22e2961454d5413ddabcf34fc5622",
    },
    unpack=False,
)

DEVKIT: Final = Archive(
    name="ILSVRC2012_devkit_t12.tar.gz",
    urls=(),
    size=None,
    unpacked=0,
    checksums={"md5": "fa75699e90414af021442c21a62c3abf"},
    unpack=False,
)

_UNSORTED: Final = "ImageNet with validation images that are not sorted into folders of classes"

SPEC: Final = DatasetSpec(
    name="imagenet",
    title="ImageNet-1k (ILSVRC 2012), classification",
    task="classification",
    classes=CLASSES,
    palette=tuple(generated_colour(index) for index in range(len(CLASSES))),
    codes=CODES,
    counts={"train": 1281167, "val": 50000},
    terms="for non-commercial research and education only, not to be redistributed",
    homepage="https://www.image-net.org",
    folder="imagenet",
    layouts=(
        IlsvrcLayout(train=TRAIN.name, val=VAL.name, devkit=DEVKIT.name),
        ClassFolderLayout(splits={"train": "train", "val": "val"}),
    ),
    impostors=(
        Impostor("wnids.txt", "Tiny ImageNet, 200 classes of 64x64 images"),
        Impostor("ILSVRC2012_img_train_t3.tar", "the training images of task 3, dogs only"),
        Impostor("ILSVRC2012_devkit_t3.tar.gz", "the development kit of task 3, dogs only"),
        Impostor("*_whole.tar", "ImageNet-21k"),
        Impostor("val/ILSVRC2012_val_*.JPEG", _UNSORTED),
        Impostor("Data/CLS-LOC/val/ILSVRC2012_val_*.JPEG", _UNSORTED),
    ),
    archives=(TRAIN, VAL, DEVKIT),
)
