"""Choose images of a prepared set: by id, by class, or by chance."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from topformer_cli.data.card import Coded
from topformer_cli.data.decode import decode_mask
from topformer_cli.data.store import PreparedSet
from topformer_cli.errors import DataError, UsageError, did_you_mean

MOST: Final = 64
"""The most images on a sheet."""

Progress = Callable[..., None]
"""Called with (images found, images wanted, words)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which images to draw: those named by ids, else count of a split, chosen by seed.

    class_name leaves those in which the class occurs. columns is how many stand beside each other.
    """

    split: str = "train"
    count: int = 6
    seed: int = 0
    ids: tuple[str, ...] = ()
    class_name: str | None = None
    columns: int | None = None

    def __post_init__(self) -> None:
        if self.ids and self.class_name is not None:
            message = "--ids and --class both choose the images; give one of them"
            raise UsageError(message)
        if len(self.ids) > MOST:
            message = f"--ids names {len(self.ids)} images; a sheet has room for {MOST}"
            raise UsageError(message)


@dataclass(frozen=True, slots=True)
class Chosen:
    """Indices of a split's images, and words for how they were chosen."""

    indices: tuple[int, ...]
    words: str


def choose(prepared: PreparedSet, choice: Choice, progress: Progress) -> Chosen:
    """Choose images.

    Raises:
        DataError: the set has no such split, image or class, or no image with the class.
    """
    split, total = choice.split, prepared.length(choice.split)
    if choice.ids:
        return Chosen(
            _by_id(prepared, choice), f"{len(choice.ids)} of {total} {split} images, by id"
        )
    shuffled = [int(one) for one in np.random.default_rng(choice.seed).permutation(total)]
    of = f"{total} {split} images"
    if choice.class_name is not None:
        train_id = _train_id(prepared, choice.class_name)
        having = _images_with(prepared, split, train_id)
        of = f"{having} {split} images with {prepared.card.classes[train_id]}"
        wanted = _Wanted(split, train_id, min(choice.count, having))
        shuffled = _first_with(prepared, wanted, shuffled, progress)
    found = tuple(shuffled[: choice.count])
    return Chosen(found, f"{len(found)} of {of}, seed {choice.seed}")


def _by_id(prepared: PreparedSet, choice: Choice) -> tuple[int, ...]:
    known = {sample_id: index for index, sample_id in enumerate(prepared.ids(choice.split))}
    for sample_id in choice.ids:
        if sample_id not in known:
            elsewhere = [
                split
                for split in prepared.card.counts
                if split != choice.split and sample_id in prepared.ids(split)
            ]
            hint = f"add --split {elsewhere[0]}" if elsewhere else f"ids are such as {min(known)!r}"
            message = f"{prepared.card.name} {choice.split} has no image {sample_id!r}; {hint}"
            raise DataError(message)
    return tuple(known[sample_id] for sample_id in choice.ids)


def _train_id(prepared: PreparedSet, name: str) -> int:
    """Return the train id of a class of a set, or say what it has."""
    card = prepared.card
    train_id = class_called(name, card)
    if train_id is not None:
        return train_id
    hint = did_you_mean(name, card.classes) or f"; `topformer data info {card.name}` lists them"
    message = f"{card.name} has no class {name!r}{hint}"
    raise DataError(message)


def class_called(name: str, of: Coded) -> int | None:
    """Return the train id of a class by its name, in any case, or by its code; or None."""
    for names in (of.classes, of.codes):
        if name in names:
            return names.index(name)
    folded = [one.casefold() for one in of.classes]
    return folded.index(name.casefold()) if folded.count(name.casefold()) == 1 else None


def _images_with(prepared: PreparedSet, split: str, train_id: int) -> int:
    card = prepared.card
    having = card.splits[split].labels.images[train_id]
    if not having:
        name = card.classes[train_id]
        other = [one for one, of in card.splits.items() if of.labels.images[train_id]]
        hint = f"; add --split {other[0]}" if other else ""
        message = f"{card.name} {split} has no image with {name}{hint}"
        raise DataError(message)
    return having


@dataclass(frozen=True, slots=True)
class _Wanted:
    split: str
    train_id: int
    count: int


def _first_with(
    prepared: PreparedSet, wanted: _Wanted, order: Sequence[int], progress: Progress
) -> list[int]:
    """Return the first images in order in which a class occurs."""
    found: list[int] = []
    for looked, index in enumerate(order, 1):
        if wanted.train_id in _occurring(prepared, wanted.split, index):
            found.append(index)
        progress(len(found), wanted.count, f"looked at {looked}")
        if len(found) == wanted.count:
            break
    return found


def _occurring(prepared: PreparedSet, split: str, index: int) -> set[int]:
    """Return the train ids in an image's labels; crowds are no objects."""
    columns = prepared.labels(split, index)
    match prepared.card.task:
        case "segmentation":
            mask = decode_mask(columns["mask"]["bytes"], prepared.card.id_map)
            return set(np.flatnonzero(np.bincount(mask.ravel())).tolist())
        case "detection":
            objects = columns["objects"]
            kept = zip(objects["category"], objects["crowd"], strict=True)
            return {category for category, crowd in kept if not crowd}
        case "classification":
            return {columns["label"]}
