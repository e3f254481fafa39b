"""Boxes that somebody found, in COCO's results form.

A results file is a list of {image_id, category_id, bbox, score} (format: cocodataset.org, "Results
format").
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, TypeAdapter

from topformer_cli.data.box_table import BoxTable
from topformer_cli.data.sources.box_truth import Truth, outside
from topformer_cli.data.sources.coco_json import Bounds, Id, fault_of_box
from topformer_cli.data.sources.foreign import first_byte, read_json
from topformer_cli.errors import DataError

_FORM: Final = "COCO's results: a list of {image_id, category_id, bbox, score}"
_NAMED: Final = 3
_MANY_OUTSIDE: Final = 0.2
"""Share of boxes beyond their images that is worth a note: corners in place of sizes give more."""


@dataclass(frozen=True, slots=True)
class _Result:
    """A box; what is missing is told of all entries at once, so nothing is required here."""

    image_id: Id | None = None
    category_id: Id | None = None
    bbox: Bounds | None = None
    score: float | None = None
    segmentation: Annotated[bool, BeforeValidator(lambda _: True)] = False


_RESULTS: Final = TypeAdapter(tuple[_Result, ...])


@dataclass(frozen=True, slots=True)
class FoundBoxes:
    """The boxes of a results file in its order.

    Shapes: images [n] places in the truth, bounds [n, 4] left, top, width, height in pixels, scores
    [n], labels [n] train ids.
    """

    images: NDArray[np.int64]
    bounds: NDArray[np.float64]
    scores: NDArray[np.float64]
    labels: NDArray[np.int64]
    notes: tuple[str, ...]


def read_results(path: Path, truth: Truth) -> FoundBoxes:
    """Read the boxes that somebody found in the images of a truth.

    Raises:
        DataError: the file cannot be read or is of another form, an entry is no box, or is of an
            image or a category that the truth does not have.
    """
    if first_byte(path) == b"{":
        message = f"{path} is an object, as annotations are; give {_FORM}"
        raise DataError(message)
    entries = read_json(path, _RESULTS, _FORM)
    _require_keys(path, entries)
    bounds = np.array([one.bbox for one in entries], np.float64).reshape(-1, 4)
    scores = np.array([one.score for one in entries], np.float64)
    _require_numbers(path, bounds, scores)
    images, labels = _places(path, entries, truth)
    notes = tuple(_odd_results(truth.table, images, bounds))
    return FoundBoxes(images, bounds, scores, labels, notes)


def _require_keys(path: Path, entries: Sequence[_Result]) -> None:
    masks = [one.bbox is None and one.segmentation for one in entries]
    what = "entries with a segmentation and no bbox"
    _refuse_entries(path, what, masks, f"these are results of masks; give {_FORM}")
    for key in ("image_id", "category_id", "bbox", "score"):
        missing = [getattr(one, key) is None for one in entries]
        _refuse_entries(path, f"entries without {key}", missing, f"give {_FORM}")


def _require_numbers(path: Path, bounds: NDArray[np.float64], scores: NDArray[np.float64]) -> None:
    with np.errstate(over="ignore", invalid="ignore"):
        total = bounds.sum(axis=1) + bounds[:, 2] * bounds[:, 3]
    broken = ~np.isfinite(total) | (bounds[:, 2:] < 0).any(axis=1)
    remedy = "bbox is [left, top, width, height] in pixels; correct or take them out"
    _refuse_entries(
        path,
        "boxes that are none",
        broken,
        remedy,
        lambda at: str(fault_of_box(bounds[at].tolist())),
    )
    unscored = ~np.isfinite(scores)
    remedy = "a score is a finite number; correct or take them out"
    _refuse_entries(
        path, "scores that are none", unscored, remedy, lambda at: f"score is {scores[at]}"
    )


def _places(
    path: Path, entries: Sequence[_Result], truth: Truth
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the place of each box's image, and its train id."""
    ids = {"image": truth.table.image_ids.tolist(), "category": truth.category_ids}
    remedies = {
        "image": "give the annotations that these boxes were made for",
        "category": f"use the ids of its `categories`, such as {truth.category_ids[0]}",
    }
    found = {}
    for kind, known in ids.items():
        places = {one: place for place, one in enumerate(known)}
        given = [getattr(one, f"{kind}_id") for one in entries]
        found[kind] = np.array([places.get(one, -1) for one in given], np.int64)
        what = f"boxes of {kind} ids that {truth.path} does not list"
        said = partial(_said_id, kind, given)
        _refuse_entries(path, what, found[kind] < 0, remedies[kind], said)
    return found["image"], found["category"]


def _said_id(kind: str, given: Sequence[int], at: int) -> str:
    return f"{kind} {given[at]}"


def _refuse_entries(
    path: Path,
    what: str,
    wrong: Iterable[bool] | NDArray[np.bool_],
    remedy: str,
    said: Callable[[int], str] | None = None,
) -> None:
    """Raise one error for all entries that are wrong, if any are; the first few are named."""
    flags = np.fromiter(wrong, np.bool_)
    places = np.flatnonzero(flags).tolist()
    if not places:
        return
    first = [f"entry {at}" + (f": {said(at)}" if said else "") for at in places[:_NAMED]]
    more = ", ..." if len(places) > _NAMED else ""
    message = f"{path}: {what}: {len(places)} of {len(flags)} ({', '.join(first)}{more}); {remedy}"
    raise DataError(message)


def _odd_results(
    table: BoxTable, images: NDArray[np.int64], bounds: NDArray[np.float64]
) -> Iterator[str]:
    """Say what counts as COCO counts it, but may not be meant."""
    total = len(bounds)
    if total == 0:
        return
    if empty := int((bounds[:, 2:].min(axis=1) == 0).sum()):
        yield f"{empty} of {total} boxes are without area: they count as wrong, as COCO counts them"
    beyond = int(outside(table, images, bounds).sum())
    if beyond > _MANY_OUTSIDE * total:
        yield (
            f"{beyond} of {total} boxes leave their images: bbox should be left, top, width, "
            "height, not corners"
        )
    if (bounds[:, :2] + bounds[:, 2:]).max() <= 1:
        yield "no box is larger than a pixel: bbox should be in pixels, not shares of the image"
    with_objects = np.unique(table.owners[~table.crowds])
    if missed := len(np.setdiff1d(with_objects, images)):
        yield f"in {missed} of {len(with_objects)} images with objects there is no box at all"
