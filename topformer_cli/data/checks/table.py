"""The lines of the table of `data check`: one a kind of finding, in the order of the table."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from topformer_cli.data.findings import Kind
from topformer_cli.data.spec import Task

_ALL: Final[frozenset[Task]] = frozenset({"segmentation", "detection", "classification"})
_MASKS: Final[frozenset[Task]] = frozenset({"segmentation"})
_BOXES: Final[frozenset[Task]] = frozenset({"detection"})
_CLASSES: Final[frozenset[Task]] = frozenset({"classification"})


@dataclass(frozen=True, slots=True)
class Check:
    """One kind of finding.

    tasks are those whose sets it is looked for in. raw and prepared say in which form of a set;
    what prepare refuses cannot be in a prepared one. published: only in sets with published
    counts; own: only in the others. listed: only where a file lists the images. splits: only
    where there are two. fixable: `--fix` may mend it. plain: the title says all but the file.
    """

    kind: Kind
    title: str
    tasks: frozenset[Task] = _ALL
    raw: bool = True
    prepared: bool = True
    published: bool = False
    own: bool = False
    listed: bool = False
    splits: bool = False
    fixable: bool = False
    plain: bool = False


CHECKS: Final[tuple[Check, ...]] = (
    Check("count", "images as published", published=True),
    Check("changed", "content as prepared", raw=False),
    Check("missing", "listed files missing", prepared=False, listed=True, plain=True),
    Check("no-mask", "images without mask", _MASKS, prepared=False, plain=True),
    Check("no-image", "labels without image", _MASKS | _BOXES, prepared=False, plain=True),
    Check("name", "names that are not UTF-8", _MASKS | _CLASSES, prepared=False, own=True),
    Check("twice", "names used twice", prepared=False),
    Check("folder", "folders of no class", _CLASSES, prepared=False),
    Check("no-picture", "classes without pictures", _CLASSES, prepared=False, own=True),
    Check("stray", "pictures of no class", _CLASSES, prepared=False, own=True),
    Check("left-out", "other files left out", _CLASSES, prepared=False, own=True),
    Check("empty", "empty files", prepared=False, plain=True),
    Check("unreadable", "unreadable files"),
    Check("exif", "EXIF orientation", prepared=False, fixable=True),
    Check("size", "sizes that differ", _MASKS | _BOXES),
    Check("mask-format", "masks of another format", _MASKS, prepared=False, plain=True),
    Check("mask-colours", "masks in colours", _MASKS, prepared=False, fixable=True, plain=True),
    Check("mask-16-bit", "masks of 16 bits", _MASKS, prepared=False, fixable=True, plain=True),
    Check("mask-bits", "masks of 1, 2 or 4 bits", _MASKS, prepared=False, fixable=True),
    Check("mask-alpha", "masks with alpha", _MASKS, prepared=False, fixable=True, plain=True),
    Check("ids", "ids outside the classes", _MASKS, prepared=False),
    Check("off-by-one", "off by one", _MASKS, prepared=False, own=True),
    Check("all-ignored", "masks without any class", _MASKS, plain=True),
    Check("ignored", "share of ignored pixels", _MASKS),
    Check("unlisted", "pictures not listed", _BOXES, prepared=False, own=True),
    Check("nothing-to-train", "boxes to train on", _BOXES, prepared=False, own=True),
    Check("category", "unknown categories", _BOXES, prepared=False),
    Check("broken-box", "boxes that are none", _BOXES, prepared=False),
    Check("empty-box", "boxes without area", _BOXES),
    Check("tiny-box", "boxes below a pixel", _BOXES),
    Check("outside-box", "boxes beyond the image", _BOXES),
    Check("crowd", "crowd boxes", _BOXES),
    Check("no-boxes", "images without boxes", _BOXES, plain=True),
    Check("absent", "classes that are absent"),
    Check("in-two-splits", "same image in two splits", splits=True),
    Check("similar", "much alike in two splits", splits=True),
    Check("repeated", "same image twice"),
)


def checks_of(task: Task, *, prepared: bool, published: bool, splits: int) -> Iterator[Check]:
    """Yield the checks that a set of this kind goes through."""
    for one in CHECKS:
        in_form = one.prepared if prepared else one.raw
        of_whose = not one.own if published else not one.published
        listed = published or task == "detection" or not one.listed
        enough = splits > 1 or not one.splits
        if task in one.tasks and in_form and of_whose and listed and enough:
            yield one
