"""Annotations that boxes are held against, straight from a COCO-style JSON file."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from topformer_cli.data.box_table import BoxTable
from topformer_cli.data.findings import Finding
from topformer_cli.data.sources.coco_json import (
    CocoFile,
    classes_by_id,
    disagreements,
    read_coco,
)
from topformer_cli.data.sources.foreign import first_byte
from topformer_cli.errors import DataError

_SLACK: Final = 1.0
"""Pixels by which a box may leave its image: tools round."""


@dataclass(frozen=True, slots=True)
class Truth:
    """The annotations of a file.

    table holds its boxes, file_names its images in their order; classes and category_ids are by
    train id.
    """

    path: Path
    table: BoxTable
    file_names: tuple[str, ...]
    classes: tuple[str, ...]
    category_ids: tuple[int, ...]
    notes: tuple[str, ...]


def read_truth(path: Path) -> Truth:
    """Read annotations to hold boxes against; no image is opened.

    Raises:
        DataError: the file cannot be read, is of another form, or contradicts itself.
    """
    if first_byte(path) == b"[":
        message = f"{path} is a list, as results are; give the annotations: a COCO-style JSON file"
        raise DataError(message)
    file = read_coco(path)
    categories = classes_by_id(path, file)
    _refuse(disagreements(path, file, categories))
    table = _box_table(file, {code: index for index, code in enumerate(categories)})
    return Truth(
        path,
        table,
        tuple(image.file_name for image in file.images),
        tuple(categories.values()),
        tuple(categories),
        _odd_truth(table),
    )


def _refuse(problems: Sequence[Finding]) -> None:
    if not problems:
        return
    first, more = problems[0], len(problems) - 1
    others = f" (and {more} more problem{'s' * (more > 1)})" if more else ""
    message = f"{first.text()}{others}; {first.remedy}"
    raise DataError(message)


def _box_table(file: CocoFile, train_ids: dict[int, int]) -> BoxTable:
    images, boxes = file.images, file.annotations
    places = {image.id: place for place, image in enumerate(images)}
    return BoxTable(
        image_ids=np.array([image.id for image in images], np.int64),
        heights=np.array([image.height for image in images], np.int64),
        widths=np.array([image.width for image in images], np.int64),
        owners=np.array([places[box.image_id] for box in boxes], np.int64),
        boxes=np.array([box.bbox for box in boxes], np.float64).reshape(-1, 4),
        categories=np.array([train_ids[box.category_id] for box in boxes], np.int64),
        areas=np.array([box.square_pixels for box in boxes], np.float64),
        crowds=np.array([bool(box.iscrowd) for box in boxes], np.bool_),
    )


def _odd_truth(table: BoxTable) -> tuple[str, ...]:
    """Say what counts as COCO counts it, but may not be meant."""
    empty = int((table.boxes[:, 2:].min(axis=1, initial=np.inf) == 0).sum())
    beyond = int(outside(table, table.owners, table.boxes).sum())
    said = (
        (empty, "without area, which no box can match"),
        (beyond, "beyond the edges of their images, taken as they are"),
    )
    return tuple(
        f"{count} of {len(table.boxes)} annotated boxes are {what}" for count, what in said if count
    )


def outside(
    table: BoxTable, owners: NDArray[np.int64], bounds: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Say which boxes [n, 4], left, top, width, height, leave the images [n] that own them."""
    limits = np.stack((table.widths, table.heights), axis=1)[owners]
    beyond = np.maximum(-bounds[:, :2], bounds[:, :2] + bounds[:, 2:] - limits)
    leaves: NDArray[np.bool_] = np.any(beyond > _SLACK, axis=1)
    return leaves
