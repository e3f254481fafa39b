"""Boxes that somebody found, in COCO's results form.

A results file is a list of {image_id, category_id, bbox, score} (format: cocodataset.org, "Results
format"); tools such as `topformer detect` add the file_name of the image.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from topformer_cli.data.box_table import BoxTable
from topformer_cli.data.sources.box_entries import FORM, Entry, read_entries, refuse_entries
from topformer_cli.data.sources.box_images import owners_of
from topformer_cli.data.sources.box_truth import Truth, outside
from topformer_cli.data.sources.coco_json import fault_of_box

_MANY_OUTSIDE: Final = 0.2
"""Share of boxes beyond their images that is worth a note: corners in place of sizes give more."""


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
    entries = read_entries(path)
    _require_keys(path, entries)
    bounds = np.array([one.bbox for one in entries], np.float64).reshape(-1, 4)
    scores = np.array([one.score for one in entries], np.float64)
    _require_numbers(path, bounds, scores)
    images, odd_images = owners_of(path, entries, truth)
    labels = _train_ids(path, entries, truth)
    notes = (*odd_images, *_odd_results(truth.table, images, bounds))
    return FoundBoxes(images, bounds, scores, labels, notes)


def _require_keys(path: Path, entries: Sequence[Entry]) -> None:
    masks = [one.bbox is None and one.segmentation for one in entries]
    what = "entries with a segmentation and no bbox"
    refuse_entries(path, what, masks, f"these are results of masks; give {FORM}")
    for key in ("image_id", "category_id", "bbox", "score"):
        missing = [getattr(one, key) is None for one in entries]
        refuse_entries(path, f"entries without {key}", missing, f"give {FORM}")


def _require_numbers(path: Path, bounds: NDArray[np.float64], scores: NDArray[np.float64]) -> None:
    with np.errstate(over="ignore", invalid="ignore"):
        total = bounds.sum(axis=1) + bounds[:, 2] * bounds[:, 3]
    broken = ~np.isfinite(total) | (bounds[:, 2:] < 0).any(axis=1)
    remedy = "bbox is [left, top, width, height] in pixels; correct or take them out"
    refuse_entries(
        path,
        "boxes that are none",
        broken,
        remedy,
        lambda at: str(fault_of_box(bounds[at].tolist())),
    )
    unscored = ~np.isfinite(scores)
    remedy = "a score is a finite number; correct or take them out"
    refuse_entries(
        path, "scores that are none", unscored, remedy, lambda at: f"score is {scores[at]}"
    )


def _train_ids(path: Path, entries: Sequence[Entry], truth: Truth) -> NDArray[np.int64]:
    places: dict[int | None, int] = {one: place for place, one in enumerate(truth.category_ids)}
    found = np.array([places.get(one.category_id, -1) for one in entries], np.int64)
    refuse_entries(
        path,
        f"boxes of category ids that {truth.path} does not list",
        found < 0,
        f"use the ids of its `categories`, such as {truth.category_ids[0]}",
        lambda at: f"category {entries[at].category_id}",
    )
    return found


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
