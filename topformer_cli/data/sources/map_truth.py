"""Masks that label maps are held against: of a prepared set, or in a folder as a set has them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from topformer_cli.data.decode import Pixels, decode_mask
from topformer_cli.data.forms.segmentation import read_mask
from topformer_cli.data.labels import published_labels
from topformer_cli.data.lint import check_ids, value_counts
from topformer_cli.data.sources.pairs import masks_by_stem
from topformer_cli.data.sources.source import Blob, Item, Reading
from topformer_cli.data.spec import DatasetSpec, PairLayout
from topformer_cli.data.store import PreparedSet
from topformer_cli.errors import DataError


@dataclass(frozen=True, slots=True)
class MapTruth:
    """The masks of some images, in order, and what their values mean.

    name is what messages call them. id_map has the train id of each value of the set's own masks.
    read returns the train ids [H, W] of an image by its place in ids.
    """

    name: str
    dataset: str
    classes: tuple[str, ...]
    id_map: tuple[int, ...]
    ids: tuple[str, ...]
    read: Callable[[int], Pixels]
    notes: tuple[str, ...] = ()


def truth_of_set(prepared: PreparedSet, split: str) -> MapTruth:
    """Take the masks of a split of a prepared set.

    Raises:
        DataError: it has no masks, or no such split.
    """
    prepared.require("segmentation")
    card = prepared.card

    def read(index: int) -> Pixels:
        return decode_mask(prepared.labels(split, index)["mask"]["bytes"], card.id_map)

    return MapTruth(
        name=f"{card.name} {split}",
        dataset=card.name,
        classes=card.classes,
        id_map=card.id_map,
        ids=tuple(prepared.ids(split)),
        read=read,
        notes=(card.partial,) if card.partial else (),
    )


def truth_of_folder(folder: Path, spec: DatasetSpec) -> MapTruth:
    """Take the masks of a folder, in whichever of a published set's forms they are.

    Raises:
        DataError: it holds none, or two of one name; or the set has no masks.
    """
    layout, files = _masks(folder, spec)
    labels = published_labels(spec, layout.coding)
    reading = Reading(task="segmentation", labels=labels, mat=layout.mat, lenient=True)
    for stem, paths in files.items():
        if len(paths) > 1:
            message = f"{paths[1]} has the same name as {paths[0].name}: {stem}; keep one of them"
            raise DataError(message)
    items = [Item(stem, blob := Blob(paths[0]), blob) for stem, paths in files.items()]

    def read(index: int) -> Pixels:
        item = items[index]
        values, _ = read_mask(item, reading)
        check_ids(value_counts(values), labels, str(item.target), published=True)
        return np.array(labels.id_map, np.uint8)[values]

    return MapTruth(
        name=str(folder),
        dataset=spec.name,
        classes=spec.classes,
        id_map=labels.id_map,
        ids=tuple(item.id for item in items),
        read=read,
    )


def _masks(folder: Path, spec: DatasetSpec) -> tuple[PairLayout, dict[str, list[Path]]]:
    """Return the first form of which there are masks, and those, by image."""
    layouts = [layout for layout in spec.layouts if isinstance(layout, PairLayout)]
    if not layouts:
        message = f"{spec.name} is for {spec.task}: it has no masks; name a set for segmentation"
        raise DataError(message)
    for layout in layouts:
        if files := masks_by_stem(folder, layout.mask_suffix):
            return layout, files
    suffixes = ", ".join(dict.fromkeys(layout.mask_suffix for layout in layouts))
    message = f"{folder} holds no masks of {spec.name} ({suffixes}); name the folder that does"
    raise DataError(message)
