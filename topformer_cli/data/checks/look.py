"""Looks at one item of a set: everything that is wrong or odd with it, and what totals need."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from topformer_cli.data.checks.alike import Likeness, likeness
from topformer_cli.data.checks.boxes import box_findings
from topformer_cli.data.decode import Pixels, png_kind
from topformer_cli.data.findings import Finding, LintError
from topformer_cli.data.forms.detection import IN_JSON
from topformer_cli.data.forms.segmentation import has_class, mask_place, read_mask
from topformer_cli.data.lint import (
    ImageFacts,
    check_ids,
    in_colours,
    mask_ids,
    read_image,
    settle_orientation,
)
from topformer_cli.data.orientation import UPRIGHT
from topformer_cli.data.sources.source import Blob, Boxes, Item, Reading

_VALUES: Final = 256
T = TypeVar("T")


@dataclass(slots=True)
class Look:
    """What one item came to.

    likeness is None if its image cannot be read. counts has the pixels of each mask value, the
    boxes of each class, or the image itself by class; None if the labels cannot be read. ignored
    are pixels without a class.
    """

    findings: list[Finding] = field(default_factory=list)
    likeness: Likeness | None = None
    counts: NDArray[np.int64] | None = None
    ignored: int = 0

    def attempt(self, read: Callable[[], T]) -> T | None:
        """Return what a step of the lint returns, None if it found something wrong."""
        try:
            return read()
        except LintError as error:
            self.findings.append(error.finding)
            return None

    def note(self, finding: Finding) -> None:
        """Keep a finding that prepare would let pass."""
        self.findings.append(finding)


def look(item: Item, reading: Reading, *, prepared: bool) -> Look:
    """Look at an item; in a prepared set, sizes are as recorded and EXIF tags mean nothing."""
    found = Look()
    place = str(item.image)
    facts: ImageFacts | None = None
    if (data := found.attempt(item.image.read)) is not None:
        facts = found.attempt(lambda: read_image(data, place))
    if facts is not None and data is not None:
        found.likeness = likeness(data, facts)
    size: tuple[int, int] | None
    if isinstance(item.target, int):
        found.counts = np.bincount([item.target], minlength=len(reading.labels.classes))
        if facts is not None and not (prepared or reading.lenient):
            _note_orientation(place, facts.orientation, found)
        return found
    if isinstance(item.target, Boxes):
        size = (item.target.height, item.target.width)
        kept = [box.category for box in item.target.boxes if not box.crowd]
        found.counts = np.bincount(kept, minlength=len(reading.labels.classes))
        found.findings += box_findings(item.target, place)
    else:
        size = _look_at_mask(item, reading, found)
    if facts is not None and size is not None:
        _compare_sizes(item, facts, size, reading if not prepared else None, found)
    return found


def _note_orientation(place: str, tag: int, found: Look) -> None:
    if tag != UPRIGHT:
        what = f"has EXIF orientation {tag}"
        found.note(Finding("exif", place, what, "prepare applies it", wrong=False))


def _look_at_mask(item: Item, reading: Reading, found: Look) -> tuple[int, int] | None:
    """Return the (height, width) of a mask, None if it cannot be read."""
    ids = found.attempt(lambda: _mask_values(item, reading, found))
    if ids is None:
        return None
    counts = np.bincount(ids.ravel(), minlength=_VALUES)
    place = mask_place(item)
    found.attempt(lambda: check_ids(counts, reading.labels, place, published=reading.lenient))
    found.counts = counts
    labelled = int(counts[has_class(reading.labels)].sum())
    found.ignored = ids.size - labelled
    if labelled == 0:
        remedy = "take the image out, unless that is meant"
        found.note(Finding("all-ignored", place, "has no pixel of any class", remedy, wrong=False))
    height, width = ids.shape
    return height, width


def _mask_values(item: Item, reading: Reading, found: Look) -> Pixels:
    """Return the [height, width] values of a mask; colours that have a class are noted."""
    if not isinstance(item.target, Blob) or reading.mat is not None:
        return read_mask(item, reading)[0]
    data = item.target.read()
    ids, _ = mask_ids(data, reading.labels, str(item.target))
    if in_colours(png_kind(data)):
        remedy = "prepare turns them into ids"
        what = "is in colours, each of which has a class"
        found.note(Finding("mask-colours", str(item.target), what, remedy, wrong=False))
    return ids


def _compare_sizes(
    item: Item, facts: ImageFacts, size: tuple[int, int], reading: Reading | None, found: Look
) -> None:
    """Compare an image with the size of its labels; without a reading, no EXIF tag counts."""
    tag = facts.orientation if reading is not None else UPRIGHT
    stored = (facts.height, facts.width, tag)
    place = str(item.image)
    of = IN_JSON if isinstance(item.target, Boxes) else "its mask"
    lenient = reading is not None and reading.lenient
    applied = found.attempt(lambda: settle_orientation(stored, size, place, lenient=lenient, of=of))
    if applied is None or tag == UPRIGHT:
        return
    if applied != UPRIGHT:
        what = f"has EXIF orientation {tag} and fits {of} only when that is applied"
        remedy = "prepare applies it"
    else:
        what = f"has EXIF orientation {tag} and fits {of} as it is stored"
        remedy = "prepare takes the pixels as they are stored"
    found.note(Finding("exif", place, what, remedy, wrong=False))
