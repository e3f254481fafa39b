"""COCO 2017, object detection: 80 classes, whose category ids run to 90 with gaps.

Boxes that are crowds are regions to leave out of the count, not objects.
"""

from typing import Final

from topformer_cli.data.spec import (
    Archive,
    BoxLayout,
    DatasetSpec,
    Impostor,
    generated_colour,
)

# fmt: off
CLASSES: Final[tuple[str, ...]] = (
    "person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat",
    "traffic light", "fire hydrant", "stop sign", "parking meter", "bench", "bird", "cat", "dog",
    "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe", "backpack", "umbrella",
    "handbag", "tie", "suitcase", "frisbee", "skis", "snowboard", "sports ball", "kite",
    "baseball bat", "baseball glove", "skateboard", "surfboard", "tennis racket", "bottle",
    "wine glass", "cup", "fork", "knife", "spoon", "bowl", "banana", "apple", "sandwich", "orange",
    "broccoli", "carrot", "hot dog", "pizza", "donut", "cake", "chair", "couch", "potted plant",
    "bed", "dining table", "toilet", "tv", "laptop", "mouse", "remote", "keyboard", "cell phone",
    "microwave", "oven", "toaster", "sink", "refrigerator", "book", "clock", "vase", "scissors",
    "teddy bear", "hair drier", "toothbrush",
)

NO_CATEGORY: Final = (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)
"""Ids between 1 and 90 that were given away and never drawn."""
# fmt: on

CATEGORIES: Final = tuple(value for value in range(1, 91) if value not in NO_CATEGORY)
"""The category id of each class."""

_HOSTS: Final = (
    "http://images.cocodataset.org/",
    "https://s3.amazonaws.com/images.cocodataset.org/",
)

TRAIN_2017: Final = Archive(
    name="train2017.zip",
    urls=tuple(f"{host}zips/train2017.zip" for host in _HOSTS),
    size=19336861798,
    unpacked=20_300_000_000,
    checksums={
        "sha256": "69a8bb58ea5f8f99d24875f21416de2e9ded3178e903f1f7603e283b9e06d929",
        "sha1": "10ad623668ab00c62c096f0ed636d6aff41faca5",
        "md5": "cced6f7f71b7629ddf16f17bbcfab6b2",
    },
)

VAL_2017: Final = Archive(
    name="val2017.zip",
    urls=tuple(f"{host}zips/val2017.zip" for host in _HOSTS),
    size=815585330,
    unpacked=860_000_000,
    checksums={
        "sha256": "4f7e2ccb2866ec5041993c9cf2a952bbed69647b115d0f74da7ce8f4bef82f05",
        "sha1": "4950dc9d00dbe1c933ee0170f5797584351d2a41",
        "md5": "442b8da7639aecaf257c1dceb8ba8c80",
    },
)

ANNOTATIONS_2017: Final = Archive(
    name="annotations_trainval2017.zip",
    urls=tuple(f"{host}annotations/annotations_trainval2017.zip" for host in _HOSTS),
    size=252907541,
    unpacked=1_000_000_000,
    checksums={
        "sha256": "113a836d90195ee1f884e704da6304dfaaecff1f023f49b6ca93c4aaae470268",
        "sha1": "8551ee4bb5860311e79dace7e79cb91e432e78b3",
        "md5": "f4bbac642086de4f52a3fdda2de5fa2c",
    },
)

COUNTS_2017: Final = {"train": 118287, "val": 5000}
OF_2014: Final = "COCO 2014, which divides the images otherwise"


def _layout(images: str) -> BoxLayout:
    return BoxLayout(
        images={"train": f"{images}train2017", "val": f"{images}val2017"},
        annotations={
            "train": "annotations/instances_train2017.json",
            "val": "annotations/instances_val2017.json",
        },
    )


SPEC: Final = DatasetSpec(
    name="coco",
    title="COCO 2017, detection",
    task="detection",
    classes=CLASSES,
    palette=tuple(generated_colour(index) for index in range(len(CLASSES))),
    codes=tuple(str(value) for value in CATEGORIES),
    counts=COUNTS_2017,
    terms=(
        "annotations CC BY 4.0; images under the terms of use of Flickr, each with its own licence"
    ),
    homepage="https://cocodataset.org",
    folder="coco",
    layouts=(_layout(""), _layout("images/")),
    impostors=(
        Impostor("annotations/instances_train2014.json", OF_2014),
        Impostor("train2014", OF_2014),
        Impostor("images/train2014", OF_2014),
        Impostor("annotations/panoptic_train2017.json", "COCO 2017 with its panoptic labels only"),
        Impostor("labels/train2017", "COCO 2017 with boxes in text files, as YOLO takes them"),
    ),
    archives=(TRAIN_2017, VAL_2017, ANNOTATIONS_2017),
)
