"""What a prepared set's card says of its classes: counts, shares, and weights to balance them."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from topformer_cli.data.card import DatasetCard, SplitCard

WEIGHT_CAP: Final = 10.0
"""The most that `class_weights` gives: a class of a few pixels would weigh thousands."""

Order = Literal["id", "share", "name"]


@dataclass(frozen=True, slots=True)
class ClassCount:
    """One class in one split.

    count: its pixels, boxes or images, by task. share: of all that have a class, 0..1. images: in
    how many it occurs. image_share: of the split's images, 0..1.
    """

    count: int
    share: float
    images: int
    image_share: float


@dataclass(frozen=True, slots=True)
class ClassRow:
    """One class: its name in the set's own files, its colour, its weight, its counts by split."""

    train_id: int
    name: str
    code: str | None
    colour: tuple[int, int, int]
    weight: float
    splits: dict[str, ClassCount]


def class_rows(card: DatasetCard) -> list[ClassRow]:
    """Return the classes of a set by train id; nothing is read but the card."""
    counts = {split: _counts(one) for split, one in card.splits.items()}
    return [
        ClassRow(
            train_id,
            name,
            card.codes[train_id] if card.codes else None,
            card.palette[train_id],
            weight,
            {split: of_split[train_id] for split, of_split in counts.items()},
        )
        for train_id, (name, weight) in enumerate(
            zip(card.classes, class_weights(card), strict=True)
        )
    ]


def class_weights(card: DatasetCard, cap: float = WEIGHT_CAP) -> tuple[float, ...]:
    """Return a loss weight a class, by median-frequency balancing (Eigen & Fergus, ICCV 2015).

        weight(c) = min(median(f) / f(c), cap)        f(c) = n(c) / N(c)

    over the training split; the median is over the classes that occur. For masks n(c) are the
    pixels of c, and N(c) all pixels of the images in which c occurs, which the card has as their
    number times the mean size of an image: exact where all have one size. For boxes and for whole
    images n(c) counts those of c, and N is all of them. A class that never occurs weighs 1.
    """
    frequencies = _frequencies(card)
    occurring = [one for one in frequencies if one]
    median = statistics.median(occurring) if occurring else 1.0
    return tuple(min(median / one, cap) if one else 1.0 for one in frequencies)


def in_order(rows: Sequence[ClassRow], order: Order) -> list[ClassRow]:
    """Return rows by train id, by share of the training split (largest first), or by name."""
    keys: dict[Order, Callable[[ClassRow], Any]] = {
        "id": lambda row: row.train_id,
        "share": lambda row: (-row.splits["train"].share, row.train_id),
        "name": lambda row: (row.name.casefold(), row.train_id),
    }
    return sorted(rows, key=keys[order])


def ignored_share(split: SplitCard) -> float:
    """Return the share of a split's pixels, or boxes, that have no class, 0..1."""
    labels = split.labels
    return labels.ignored / max(sum(labels.counts) + labels.ignored, 1)


def _counts(split: SplitCard) -> list[ClassCount]:
    labels = split.labels
    total = sum(labels.counts) or 1
    return [
        ClassCount(count, count / total, images, images / max(split.images, 1))
        for count, images in zip(labels.counts, labels.images, strict=True)
    ]


def _frequencies(card: DatasetCard) -> list[float]:
    """Return f(c) of `class_weights` by train id, 0 for a class that never occurs."""
    split = card.splits["train"]
    labels = split.labels
    if card.task != "segmentation":
        total = sum(labels.counts) or 1
        return [count / total for count in labels.counts]
    mean = split.pixels / max(split.images, 1)
    return [
        count / (images * mean) if count else 0.0
        for count, images in zip(labels.counts, labels.images, strict=True)
    ]
