"""Sets of boxes in COCO-style JSON files, a custom one's or as published."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

import numpy as np

from topformer_cli.data.box_table import SMALLEST_IMAGE, BoxTable
from topformer_cli.data.checks.boxes import odd_boxes
from topformer_cli.data.findings import Faults, Finding, settle
from topformer_cli.data.labels import Labels
from topformer_cli.data.sources.coco_json import (
    Annotation,
    CocoFile,
    classes_by_id,
    disagreements,
    fault_of_box,
    read_coco,
    twice,
)
from topformer_cli.data.sources.custom import divided
from topformer_cli.data.sources.pairs import IMAGE_SUFFIXES
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
class _Part:
    """One split: its JSON file, what is in that, and the folder of the images."""

    path: Path
    file: CocoFile
    images: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxRequest(Preparation):
    """A custom set of boxes as the command line describes it.

    images is the folder that `file_name` is relative to, or holds a folder a split, such as train
    or train2017. val is the JSON of the validation part; without it val_fraction of the images,
    chosen by seed and name, become it.
    """

    name: str
    images: Path
    train: Path
    val: Path | None = None
    val_fraction: float | None = None
    seed: int = 0
    title: str = ""
    terms: str = ""


def box_source(request: BoxRequest, faults: Faults | None = None) -> Source:
    """Find the images and boxes of a custom set; category ids may have gaps.

    Where faults are gathered, one JSON without val_fraction is enough: all of it is then train.

    Raises:
        DataError: a file is missing or damaged; or images and boxes disagree, and no faults are
            gathered; all are named.
    """
    both = request.val is not None and request.val_fraction is not None
    neither = request.val is None and request.val_fraction is None
    if both or (neither and faults is None):
        message = "--coco JSON needs either --coco-val JSON or --val-fraction 0.2"
        raise DataError(message)
    paths = {"train": request.train} | ({"val": request.val} if request.val else {})
    parts = {
        split: _Part(path, file, _images_folder(request.images, split, file))
        for split, path in paths.items()
        for file in [read_coco(path)]
    }
    categories = _categories(parts)
    splits = _splits(parts, categories, faults, partial=False)
    if request.val_fraction is not None:
        splits = divided(splits["train"], request.val_fraction, request.seed)
    odd = [*_nothing_to_train(request, splits["train"]), *_unlisted(parts)]
    if faults is not None:
        faults += odd
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
        notes=(*_notes(request.name, splits), *map(str, odd)),
    )


def _notes(name: str, splits: Mapping[str, tuple[Item, ...]]) -> tuple[str, ...]:
    """Say which boxes are odd, though they are kept."""
    text = odd_boxes(boxes for items in splits.values() for boxes in _targets(items))
    if not text:
        return ()
    return (
        f"{text}: training clips them or leaves them out, evaluation counts them; `topformer data "
        f"check {name}` says where",
    )


def _targets(items: Iterable[Item]) -> list[Boxes]:
    return [item.target for item in items if isinstance(item.target, Boxes)]


def _nothing_to_train(request: BoxRequest, items: Sequence[Item]) -> list[Finding]:
    """Return a note where training would have no image: such a set can be evaluated on."""
    if not items or _table(_targets(items)).trainable().any():
        return []
    what = (
        f": no training image of {SMALLEST_IMAGE} pixels or more has a box of a pixel or more "
        "that is no crowd"
    )
    remedy = "`topformer train` will refuse the set; label objects, or see whether this is the file"
    return [Finding("nothing-to-train", str(request.train), what, remedy, wrong=False)]


def _table(images: Sequence[Boxes]) -> BoxTable:
    owned = [(place, box) for place, image in enumerate(images) for box in image.boxes]
    return BoxTable(
        image_ids=np.array([image.image_id for image in images], np.int64),
        heights=np.array([image.height for image in images], np.int64),
        widths=np.array([image.width for image in images], np.int64),
        owners=np.array([place for place, _ in owned], np.int64),
        boxes=np.array([box.bbox for _, box in owned], np.float64).reshape(-1, 4),
        categories=np.array([box.category for _, box in owned], np.int64),
        areas=np.array([box.area for _, box in owned], np.float64),
        crowds=np.array([box.crowd for _, box in owned], np.bool_),
    )


def _unlisted(parts: Mapping[str, _Part]) -> list[Finding]:
    """Return a note for each folder with pictures that no JSON lists, in it or in folders of it."""
    listed = {(part.images / one.file_name) for part in parts.values() for one in part.file.images}
    inside = {
        path: folder
        for folder in {part.images for part in parts.values()}
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in IMAGE_SUFFIXES and path not in listed
    }
    found = []
    for folder in sorted(set(inside.values())):
        own = [path.relative_to(folder) for path, whose in inside.items() if whose == folder]
        many = (
            "a picture that no JSON lists"
            if len(own) == 1
            else (f"{len(own)} pictures that no JSON lists, the first")
        )
        what = f"holds {many}: {own[0].as_posix()}"
        remedy = "list them if they belong to the set; those without objects, too"
        found.append(Finding("unlisted", str(folder), what, remedy, wrong=False, count=len(own)))
    return found


def read_published_boxes(
    spec: DatasetSpec, layout: BoxLayout, root: Path, faults: Faults | None, *, partial: bool
) -> dict[str, tuple[Item, ...]]:
    """Read the boxes of a published set; partial leaves out images that are not there.

    Raises:
        DataError: a file is damaged, or is of another set; or images and boxes disagree, and no
            faults are gathered.
    """
    parts = {
        split: _Part(root / name, read_coco(root / name), root / layout.images[split])
        for split, name in layout.annotations.items()
    }
    categories = _categories(parts)
    if tuple(str(code) for code in categories) != spec.codes:
        message = (
            f"{parts['train'].path} has {len(categories)} categories, {spec.title} has "
            f"{len(spec.codes)}; a set of your own takes --coco"
        )
        raise DataError(message)
    return _splits(parts, categories, faults, partial=partial)


def _categories(parts: Mapping[str, _Part]) -> dict[int, str]:
    """Return the category names by id, which all splits share.

    Raises:
        DataError: a file has none, or two of one name or id; or the splits differ.
    """
    found = {split: classes_by_id(part.path, part.file) for split, part in parts.items()}
    for split, own in found.items():
        if own != found["train"]:
            message = f"{parts[split].path}: its categories are not those of {parts['train'].path}"
            raise DataError(message)
    return found["train"]


def _images_folder(images: Path, split: str, file: CocoFile) -> Path:
    """Return the folder that file names are relative to, which is the one with the first image.

    That is the folder given, or one in it whose name begins with the split's: train, train2017.
    """
    own = sorted(path for path in images.glob(f"{split}*") if path.is_dir())
    first = [image.file_name for image in file.images[:1]]
    found = (path for path in (*own, images) if all((path / name).is_file() for name in first))
    return next(found, own[0] if own else images)


def _splits(
    parts: Mapping[str, _Part],
    categories: Mapping[int, str],
    faults: Faults | None,
    *,
    partial: bool,
) -> dict[str, tuple[Item, ...]]:
    """Return the images with their boxes, crowds, tiny and empty ones included."""
    train_ids = {code: index for index, code in enumerate(categories)}
    splits: dict[str, tuple[Item, ...]] = {}
    problems: list[Finding] = []
    for split, part in parts.items():
        problems += disagreements(part.path, part.file, train_ids)
        problems += twice(part.path, "file name", (one.file_name for one in part.file.images))
        splits[split], missing = _items(part, train_ids)
        problems += () if partial else missing
    settle(problems, faults)
    return splits


def _items(part: _Part, train_ids: Mapping[int, int]) -> tuple[tuple[Item, ...], list[Finding]]:
    boxes: defaultdict[int, list[Box]] = defaultdict(list)
    for number, one in enumerate(part.file.annotations):
        if one.category_id in train_ids and fault_of_box(one.bbox, one.area) is None:
            boxes[one.image_id].append(_box(one, number, train_ids[one.category_id]))
    items = []
    missing = []
    remedy = "add it, or take it out of the JSON"
    for image in sorted(part.file.images, key=lambda one: one.file_name):
        path = part.images / image.file_name
        if _leaves(image.file_name):
            what = f": file_name {image.file_name!r} lies outside the folder of images"
            missing.append(Finding("missing", str(part.path), what, "name it below --images"))
        elif path.is_file():
            found = Boxes(image.id, image.height, image.width, tuple(boxes[image.id]))
            items.append(Item(Path(image.file_name).with_suffix("").as_posix(), Blob(path), found))
        else:
            missing.append(Finding("missing", str(path), "is missing", remedy))
    return tuple(items), missing


def _leaves(file_name: str) -> bool:
    """Say whether a foreign file's name would bring in what nobody meant to give."""
    name = PurePath(file_name)
    return name.is_absolute() or ".." in name.parts


def _box(one: Annotation, number: int, category: int) -> Box:
    own_id = number + 1 if one.id is None else one.id
    return Box(own_id, one.bbox, category, one.square_pixels, bool(one.iscrowd))
