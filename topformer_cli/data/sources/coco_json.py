"""COCO's JSON of images, boxes and categories (cocodataset.org, "Data format")."""

import math
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, TypeAlias

from pydantic import Field, TypeAdapter

from topformer_cli.data.findings import Finding
from topformer_cli.data.sources.foreign import read_json
from topformer_cli.errors import DataError

Id: TypeAlias = Annotated[int, Field(ge=-(1 << 63), lt=1 << 63)]
"""Prepared sets keep ids as 64-bit numbers."""

Bounds: TypeAlias = tuple[float, float, float, float]
"""Left, top, width, height in pixels."""


@dataclass(frozen=True, slots=True)
class Image:
    """An image that boxes belong to; height and width are in pixels."""

    id: Id
    file_name: str
    height: int
    width: int


@dataclass(frozen=True, slots=True)
class Annotation:
    """One object of an image."""

    image_id: Id
    category_id: Id
    bbox: Bounds
    id: Id | None = None
    area: float | None = None
    iscrowd: bool | None = None

    @property
    def square_pixels(self) -> float:
        """The area as the file has it, else the box's."""
        return self.bbox[2] * self.bbox[3] if self.area is None else self.area


@dataclass(frozen=True, slots=True)
class Category:
    """One class and the number that annotations call it by."""

    id: Id
    name: str


@dataclass(frozen=True, slots=True)
class CocoFile:
    """What is needed of a file; records with slots, since COCO's has a million of them."""

    images: tuple[Image, ...]
    annotations: tuple[Annotation, ...]
    categories: tuple[Category, ...]


_FILE: Final = TypeAdapter(CocoFile)


def read_coco(path: Path) -> CocoFile:
    """Read a file; whether its parts agree is for `classes_by_id` and `disagreements` to say.

    Raises:
        DataError: it cannot be read, is of another form, or lists no image.
    """
    file = read_json(path, _FILE, "a COCO-style JSON file")
    if not file.images:
        message = f"{path}: no images; give a file that lists the images of its boxes"
        raise DataError(message)
    return file


def classes_by_id(path: Path, file: CocoFile) -> dict[int, str]:
    """Return the category names by id, in order of the ids: the order of the train ids.

    Raises:
        DataError: there are none, one has no name, or two share a name or an id.
    """
    if not file.categories:
        message = f"{path}: no categories; give each category its own name and id"
        raise DataError(message)
    ordered = sorted(file.categories, key=lambda one: one.id)
    for what, values in (
        ("category", [repr(one.name.strip()) for one in ordered]),
        ("category id", [str(one.id) for one in ordered]),
    ):
        value, count = Counter(values).most_common(1)[0]
        if count != 1:
            message = (
                f"{path}: {what} {value} occurs {count} times; give each category its own name "
                "and id"
            )
            raise DataError(message)
    if nameless := [one.id for one in ordered if not one.name.strip()]:
        message = f"{path}: category id {nameless[0]} has no name; give each category its own"
        raise DataError(message)
    return {one.id: one.name.strip() for one in ordered}


def disagreements(path: Path, file: CocoFile, categories: Collection[int]) -> list[Finding]:
    """Return what is wrong with the ids and the boxes of a file."""
    return [
        *twice(path, "image id", (image.id for image in file.images)),
        *twice(path, "annotation id", (one.id for one in file.annotations if one.id is not None)),
        *_wrong_annotations(path, file, categories),
    ]


def twice(path: Path, what: str, values: Iterable[int | str]) -> list[Finding]:
    """Return a finding for each value that occurs more than once."""
    owner = what.split()[0].replace("file", "image")
    return [
        Finding(
            "twice", str(path), f": {what} {one} occurs {count} times", f"give each {owner} its own"
        )
        for one, count in Counter(values).items()
        if count > 1
    ]


def _wrong_annotations(
    path: Path, file: CocoFile, categories: Collection[int]
) -> Iterator[Finding]:
    place = str(path)
    images = {image.id for image in file.images}
    for number, one in enumerate(file.annotations):
        name = (
            f": annotation {number}" if one.id is None else f": annotation {number} (id {one.id})"
        )
        if one.image_id not in images:
            what = f"{name} names image {one.image_id}, which the JSON does not list"
            yield Finding("no-image", place, what, "list the image, or take it out")
        if one.category_id not in categories:
            what = f"{name} names category {one.category_id}, which the JSON does not list"
            yield Finding("category", place, what, "list the category, or correct it")
        if (fault := fault_of_box(one.bbox, one.area)) is not None:
            yield Finding("broken-box", place, f"{name}: {fault}", "correct it or take it out")


def fault_of_box(bbox: Sequence[float], area: float | None = None) -> str | None:
    """Say why numbers are no box; a box without area is one."""
    for index, value in enumerate(bbox):
        if not math.isfinite(value):
            return f"bbox.{index} is {value}"
    if min(bbox[2:]) < 0:
        return f"bbox has a negative size {bbox[2]:g} x {bbox[3]:g}"
    if not math.isfinite(sum(bbox) + bbox[2] * bbox[3]):
        return f"bbox has an infinite area: {bbox[2]:g} x {bbox[3]:g}"
    if area is not None and not (math.isfinite(area) and area >= 0):
        return f"area is {area:g}"
    return None
