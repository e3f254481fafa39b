"""Sets of one's own: folders of images and masks."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from topformer_cli.data.findings import Faults
from topformer_cli.data.labels import custom_labels, read_classes
from topformer_cli.data.sources.pairs import Folders, paired
from topformer_cli.data.sources.source import Item, Preparation, Reading, Source
from topformer_cli.data.spec import SPLITS
from topformer_cli.errors import DataError


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderRequest(Preparation):
    """A custom set as the command line describes it.

    classes is a file or a comma list (see labels.py). images and masks hold `train` and `val`, or
    are flat, and then val_fraction of them, chosen by seed and name, become the validation part.
    """

    name: str
    images: Path
    masks: Path
    classes: str
    ignore: tuple[int, ...] = ()
    val_fraction: float | None = None
    seed: int = 0
    title: str = ""
    terms: str = ""


def folder_source(request: FolderRequest, faults: Faults | None = None) -> Source:
    """Find the pairs of a custom set.

    Where faults are gathered, folders without train and val need no val_fraction: all their
    pairs are then in train.

    Raises:
        DataError: a folder is missing; or images and masks do not pair, and no faults are
            gathered; every one is named.
    """
    labels = custom_labels(read_classes(request.classes), request.ignore)
    for option, folder in (("--images", request.images), ("--masks", request.masks)):
        if not folder.is_dir():
            message = f"{option} {folder}: no such folder"
            raise DataError(message)
    whole = {"train": Folders(images=request.images, masks=request.masks)}
    if request.val_fraction is not None:
        _require_undivided(request)
        everything = paired(whole, faults)["train"]
        splits = divided(everything, request.val_fraction, request.seed)
    elif faults is not None and not any((request.images / split).is_dir() for split in SPLITS):
        splits = paired(whole, faults)
    else:
        _require_splits(request)
        splits = paired(
            {s: Folders(images=request.images / s, masks=request.masks / s) for s in SPLITS}, faults
        )
    return Source(
        name=request.name,
        title=request.title or request.name,
        reading=Reading(task="segmentation", labels=labels),
        splits=splits,
        place=request.images.resolve(),
        expected={},
        terms=request.terms,
        homepage="",
    )


def divided(items: Sequence[Item], fraction: float, seed: int) -> dict[str, tuple[Item, ...]]:
    """Divide the items of a set in two; a hash decides, so that an added image moves no other one.

    Raises:
        DataError: the share is no share, or there is too little to divide.
    """
    if not 0 < fraction < 1:
        message = f"--val-fraction {fraction}: give a share between 0 and 1, such as 0.2"
        raise DataError(message)
    if len(items) < 2:
        message = (
            f"--val-fraction {fraction}: {len(items)} image(s) cannot be divided in two parts; "
            "add images"
        )
        raise DataError(message)
    ranked = sorted(items, key=lambda item: hashlib.sha256(f"{seed}/{item.id}".encode()).digest())
    held = min(max(round(len(ranked) * fraction), 1), len(ranked) - 1)
    val = {item.id for item in ranked[:held]}
    return {
        "train": tuple(item for item in items if item.id not in val),
        "val": tuple(item for item in items if item.id in val),
    }


def _require_undivided(request: FolderRequest) -> None:
    if all((request.images / split).is_dir() for split in SPLITS):
        message = (
            f"--val-fraction {request.val_fraction}: --images {request.images} holds train and val "
            "already; leave it out, or name the folder train alone to divide that"
        )
        raise DataError(message)


def _require_splits(request: FolderRequest) -> None:
    for split in SPLITS:
        for option, folder in (("--images", request.images), ("--masks", request.masks)):
            if not (folder / split).is_dir():
                message = (
                    f"{option} {folder} has no folder {split}; it must hold train and val, or add "
                    "--val-fraction 0.2 to divide a flat folder"
                )
                raise DataError(message)
