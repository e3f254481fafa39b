"""Reads PASCAL in Detail's JSON (format: zhanghang1989/detail-api, `detail/__init__.py`)."""

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter

from topformer_cli.data.findings import Faults, Finding, settle
from topformer_cli.data.sources.foreign import read_json
from topformer_cli.data.sources.source import Blob, Item, Painted, Run
from topformer_cli.data.spec import DetailLayout


@dataclass(frozen=True, slots=True)
class _Image:
    image_id: int
    file_name: str
    phase: str
    height: int
    width: int


@dataclass(frozen=True, slots=True)
class _RunLength:
    size: tuple[int, int]
    counts: str | tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Segment:
    image_id: int
    category_id: int
    segmentation: _RunLength


@dataclass(frozen=True, slots=True)
class _File:
    images: tuple[_Image, ...]
    annos_segmentation: tuple[_Segment, ...]


_FILE: Final = TypeAdapter(_File)


def read_detail(
    layout: DetailLayout, root: Path, faults: Faults | None = None, *, partial: bool
) -> dict[str, tuple[Item, ...]]:
    """Return the images by split, each with the runs that paint its mask.

    Raises:
        DataError: the JSON is damaged; or is of another version, or images are missing, and no
            faults are gathered.
    """
    path = root / layout.annotations
    file = read_json(path, _FILE, "PASCAL in Detail's trainval_merged.json")
    runs: defaultdict[int, list[Run]] = defaultdict(list)
    problems = []
    for number, one in enumerate(file.annos_segmentation):
        if 0 <= one.category_id < len(layout.values):
            value = layout.values[one.category_id]
            runs[one.image_id].append(Run(value, one.segmentation.counts))
        else:
            what = (
                f": annos_segmentation.{number}: category {one.category_id} is none of the "
                f"{len(layout.values)}"
            )
            remedy = "this JSON is of another version"
            problems.append(Finding("ids", str(path), what, remedy))
    splits: dict[str, list[Item]] = {"train": [], "val": []}
    for image in file.images:
        picture = root / layout.images / image.file_name
        if image.phase not in splits or (partial and not picture.is_file()):
            continue
        if not picture.is_file():
            problems.append(Finding("missing", str(picture), "is missing", "complete the folder"))
            continue
        mask = Painted(image.height, image.width, tuple(runs[image.image_id]))
        splits[image.phase].append(Item(picture.stem, Blob(picture), mask))
    settle(problems, faults)
    return {split: tuple(sorted(items, key=lambda one: one.id)) for split, items in splits.items()}
