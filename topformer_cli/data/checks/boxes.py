"""What is odd about the boxes of an image; prepare keeps them all."""

from collections import Counter
from collections.abc import Iterable
from typing import Final

from topformer_cli.data.findings import Finding, Kind
from topformer_cli.data.sources.source import Box, Boxes

_SLACK: Final = 1.0
"""Pixels by which a box may leave its image: annotation tools round."""

_SAID: Final[dict[Kind, tuple[str, str]]] = {
    "empty-box": ("without area", "correct or remove them"),
    "tiny-box": ("less than a pixel wide or high", "correct or remove them, unless they are meant"),
    "outside-box": ("beyond its edges", "clip them, or see whether the image was resized"),
    "crowd": ("marked as a crowd", "they are kept and ignored, as COCO does"),
}

_IN_SHORT: Final[dict[Kind, str]] = {
    "empty-box": "without area",
    "tiny-box": "below a pixel",
    "outside-box": "beyond the image",
}


def box_findings(target: Boxes, place: str) -> list[Finding]:
    """Return the notes on the boxes of one image, one a kind."""
    if not target.boxes:
        remedy = "it is kept as an image without objects; remove it if it has some"
        return [Finding("no-boxes", place, "has no boxes", remedy, wrong=False)]
    counts = Counter(kind for box in target.boxes for kind in _kinds(box, target))
    return [
        Finding(kind, place, f"has {_boxes(count)} {_SAID[kind][0]}", _SAID[kind][1], False, count)
        for kind, count in counts.items()
    ]


def odd_boxes(targets: Iterable[Boxes]) -> str:
    """Count what is odd about the boxes of many images, in a few words; empty if nothing is."""
    counts = Counter(kind for one in targets for box in one.boxes for kind in _kinds(box, one))
    return ", ".join(
        f"{_boxes(counts[kind])} {words}" for kind, words in _IN_SHORT.items() if counts[kind]
    )


def _kinds(box: Box, image: Boxes) -> list[Kind]:
    left, top, width, height = box.bbox
    kinds: list[Kind] = ["crowd"] if box.crowd else []
    if min(width, height) == 0:
        kinds.append("empty-box")
    elif min(width, height) < 1:
        kinds.append("tiny-box")
    beyond = max(-left, -top, left + width - image.width, top + height - image.height)
    if beyond > _SLACK:
        kinds.append("outside-box")
    return kinds


def _boxes(count: int) -> str:
    return "a box" if count == 1 else f"{count} boxes"
