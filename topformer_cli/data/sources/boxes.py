"""Reads COCO-style JSON files of boxes (format: cocodataset.org, "Data format")."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import FiniteFloat, TypeAdapter, ValidationError

from topformer_cli.data.labels import Labels
from topformer_cli.data.lint import refuse_all
from topformer_cli.data.sources.custom import divided
from topformer_cli.data.sources.source import (
    Blob,
    Box,
    Boxes,
    Item,
    Preparation,
    Reading,
    Source,
)
from topformer_cli.data.spec import BoxLayout, DatasetSpec, generated_colour
from topformer_cli.errors import DataError


@dataclass(frozen=True, slots=True)
class _Image:
    id: int
    file_name: str
    height: int
    width: int


@dataclass(frozen=True, slots=True)
class _Annotation:
    image_id: int
    category_id: int
    bbox: tuple[FiniteFloat, FiniteFloat, FiniteFloat, FiniteFloat]
    id: int | None = None
    area: FiniteFloat | None = None
    iscrowd: bool = False


@dataclass(frozen=True, slots=True)
class _Category:
    id: int
    name: str


@dataclass(frozen=True, slots=True)
class _File:
    """What is needed of a file; records with slots, since COCO's has a million of them."""

    images: tuple[_Image, ...]
    annotations: tuple[_Annotation, ...]
    categories: tuple[_Category, ...]


_FILE: Final = TypeAdapter(_File)


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxRequest(Preparation):
    """A custom set of boxes as the command line describes it.

    images is the folder that `file_name` is relative to, or holds a folder a split. val is the
    JSON of the validation part; without it val_fraction of the images, chosen by seed and name,
    become it.
    """

    name: str
    images: Path
    train: Path
    val: Path | None = None
    val_fraction: float | None = None
    seed: int = 0
    title: str = ""
    terms: str = ""


def box_source(request: BoxRequest) -> Source:
    """Find the images and boxes of a custom set; category ids may have gaps.

    Raises:
        DataError: a file is missing or damaged, or images and boxes disagree; all are named.
    """
    if (request.val is None) == (request.val_fraction is None):
        message = "--coco JSON needs either --coco-val JSON or --val-fraction 0.2"
        raise DataError(message)
    files = {"train": _read(request.train)}
    if request.val is not None:
        files["val"] = _read(request.val)
    categories = _categories(files, {"train": request.train, "val": request.val})
    splits = {
        split: _items(file, categories, _images_folder(request.images, split), partial=False)
        for split, file in files.items()
    }
    if request.val_fraction is not None:
        splits = divided(splits["train"], request.val_fraction, request.seed)
    palette = tuple(generated_colour(index) for index in range(len(categories)))
    labels = Labels(tuple(categories.values()), palette, (), frozenset(), {})
    return Source(
        name=request.name,
        title=request.title or request.name,
        reading=Reading(task="detection", labels=labels),
        splits=splits,
        place=request.images.resolve(),
        codes=tuple(str(code) for code in categories),
        expected={},
        terms=request.terms,
        homepage="",
    )


def read_published_boxes(
    spec: DatasetSpec, layout: BoxLayout, root: Path, *, partial: bool
) -> dict[str, tuple[Item, ...]]:
    """Read the boxes of a published set; partial leaves out images that are not there.

    Raises:
        DataError: a file is damaged, or is of another set.
    """
    paths = {split: root / name for split, name in layout.annotations.items()}
    files = {split: _read(path) for split, path in paths.items()}
    categories = _categories(files, paths)
    if tuple(str(code) for code in categories) != spec.codes:
        message = (
            f"{paths['train']} has {len(categories)} categories, {spec.title} has "
            f"{len(spec.codes)}; a set of your own takes --coco"
        )
        raise DataError(message)
    return {
        split: _items(file, categories, root / layout.images[split], partial=partial)
        for split, file in files.items()
    }


def _read(path: Path) -> _File:
    try:
        return _FILE.validate_json(path.read_bytes())
    except OSError as error:
        message = f"{path} cannot be read ({error.strerror}); give a COCO-style JSON file"
        raise DataError(message) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
        message = f"{path}: {where}: {first['msg'].lower()}{more}; give a COCO-style JSON file"
        raise DataError(message) from error


def _categories(files: Mapping[str, _File], paths: Mapping[str, Path | None]) -> dict[int, str]:
    """Return the category names by id, in order of the ids: the order of the train ids."""
    for split, file in files.items():
        names = Counter(one.name for one in file.categories)
        name, count = names.most_common(1)[0] if names else ("", 0)
        if count != 1:
            what = f"category {name!r} occurs {count} times" if names else "no categories"
            message = f"{paths[split]}: {what}; give each category its own name and id"
            raise DataError(message)
    found = {
        split: {one.id: one.name for one in sorted(file.categories, key=lambda one: one.id)}
        for split, file in files.items()
    }
    for split, own in found.items():
        if own != found["train"]:
            message = f"{paths[split]}: its categories are not those of {paths['train']}"
            raise DataError(message)
    return found["train"]


def _images_folder(images: Path, split: str) -> Path:
    own = images / split
    return own if own.is_dir() else images


def _items(
    file: _File, categories: Mapping[int, str], folder: Path, *, partial: bool
) -> tuple[Item, ...]:
    """Return the images with their boxes, crowds, tiny and empty ones included."""
    train_ids = {code: index for index, code in enumerate(categories)}
    problems = _disagreements(file, train_ids)
    boxes: defaultdict[int, list[Box]] = defaultdict(list)
    for number, one in enumerate(file.annotations):
        if one.category_id in train_ids:
            boxes[one.image_id].append(_box(one, number, train_ids[one.category_id]))
    items = []
    for image in sorted(file.images, key=lambda one: one.file_name):
        path = folder / image.file_name
        if path.is_file():
            found = Boxes(image.id, image.height, image.width, tuple(boxes[image.id]))
            items.append(Item(Path(image.file_name).with_suffix("").as_posix(), Blob(path), found))
        elif not partial:
            problems.append(f"{path} is missing; add it, or take it out of the JSON")
    refuse_all(problems)
    return tuple(items)


def _box(one: _Annotation, number: int, category: int) -> Box:
    area = one.bbox[2] * one.bbox[3] if one.area is None else one.area
    own_id = number + 1 if one.id is None else one.id
    return Box(own_id, one.bbox, category, area, one.iscrowd)


def _disagreements(file: _File, train_ids: Mapping[int, int]) -> list[str]:
    images = {image.id for image in file.images}
    return [
        *(f"image id {one} occurs twice" for one in _repeated([i.id for i in file.images])),
        *(f"file name {one} occurs twice" for one in _repeated([i.file_name for i in file.images])),
        *(
            f"annotation {number} names image {one.image_id}, which the JSON does not list"
            for number, one in enumerate(file.annotations)
            if one.image_id not in images
        ),
        *(
            f"annotation {number} names category {one.category_id}, which the JSON does not list"
            for number, one in enumerate(file.annotations)
            if one.category_id not in train_ids
        ),
        *(
            f"annotation {number} has a box of negative size {one.bbox[2]:g} x {one.bbox[3]:g}"
            for number, one in enumerate(file.annotations)
            if min(one.bbox[2:]) < 0
        ),
    ]


def _repeated(values: Sequence[int | str]) -> list[int | str]:
    return [value for value, count in Counter(values).items() if count > 1]
