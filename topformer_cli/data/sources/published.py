"""Finds a published set in or under a folder, in whichever of its layouts people have it."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from topformer_cli.data.findings import Faults
from topformer_cli.data.labels import Labels, published_labels
from topformer_cli.data.sources.boxes import read_published_boxes
from topformer_cli.data.sources.detail import read_detail
from topformer_cli.data.sources.ilsvrc import read_class_folders, read_ilsvrc
from topformer_cli.data.sources.pairs import Folders, first_mask, paired, read_ids
from topformer_cli.data.sources.source import Item, Preparation, Reading, Source
from topformer_cli.data.spec import (
    BoxLayout,
    ClassFolderLayout,
    DatasetSpec,
    DetailLayout,
    IlsvrcLayout,
    Layout,
    PairLayout,
)
from topformer_cli.errors import DataError

_SEARCH_DEPTH: Final = 3
Splits = dict[str, tuple[Item, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownRequest(Preparation):
    """A published set, in or under a folder."""

    spec: DatasetSpec
    folder: Path


def published_source(request: KnownRequest, faults: Faults | None = None) -> Source:
    """Find a published set in or under a folder.

    With allow_partial, lists may name images that are not there.

    Raises:
        DataError: it is not there, or something else is; says what is needed. Or its files do not
            belong together, and no faults are gathered.
    """
    spec = request.spec
    root, layout = _find(spec, request.folder)
    return Source(
        name=spec.name,
        title=spec.title,
        reading=_reading(spec, layout),
        splits=_splits(spec, layout, root, faults, partial=request.allow_partial),
        place=root.resolve(),
        codes=spec.codes,
        expected=layout.counts or spec.counts,
        terms=spec.terms,
        homepage=spec.homepage,
    )


def _reading(spec: DatasetSpec, layout: Layout) -> Reading:
    if isinstance(layout, PairLayout | DetailLayout):
        labels = published_labels(spec, layout.coding)
        mat = layout.mat if isinstance(layout, PairLayout) else None
        return Reading(task=spec.task, labels=labels, mat=mat, lenient=True)
    labels = Labels(spec.classes, spec.palette, (), frozenset(), {})
    return Reading(task=spec.task, labels=labels, lenient=True)


def _splits(
    spec: DatasetSpec, layout: Layout, root: Path, faults: Faults | None, *, partial: bool
) -> Splits:
    match layout:
        case PairLayout():
            return paired(_folders(layout, root, partial=partial), faults)
        case DetailLayout():
            return read_detail(layout, root, faults, partial=partial)
        case BoxLayout():
            return read_published_boxes(spec, layout, root, faults, partial=partial)
        case IlsvrcLayout():
            return read_ilsvrc(layout, root, spec.codes)
        case ClassFolderLayout():
            return read_class_folders(layout, root, spec.codes, faults)


def _folders(layout: PairLayout, root: Path, *, partial: bool) -> dict[str, Folders]:
    return {
        split: Folders(
            images=root / files.images,
            masks=root / files.masks,
            mask_suffix=layout.mask_suffix,
            ids=read_ids(root / files.ids) if files.ids else None,
            partial=partial,
        )
        for split, files in layout.splits.items()
    }


def _find(spec: DatasetSpec, source: Path) -> tuple[Path, Layout]:
    if source.is_file():
        message = (
            f"{source} is a file; give the folder it unpacks to, or type: "
            f"topformer data fetch {spec.name} --from {source}"
        )
        raise DataError(message)
    if not source.is_dir():
        message = f"{source}: no such folder"
        raise DataError(message)
    if match := _match(spec, source):
        return match
    raise DataError(_not_there(spec, source))


def holds_set(spec: DatasetSpec, source: Path) -> bool:
    """Return whether a published set lies in or under a folder."""
    return _match(spec, source) is not None


def _match(spec: DatasetSpec, source: Path) -> tuple[Path, Layout] | None:
    for level in _levels(source):
        found = [(folder, one) for folder in level for one in spec.layouts if _holds(folder, one)]
        named = [(folder, one) for folder, one in found if folder.name == spec.folder]
        for match in named or found:
            return match
    return None


def _not_there(spec: DatasetSpec, source: Path) -> str:
    names = ", ".join(_needs(spec.layouts[spec.fetched]))
    needed = f"{spec.title} needs a folder {spec.folder} with {names}{_or_class_folders(spec)}"
    for level in _levels(source):
        for folder in level:
            for impostor in spec.impostors:
                if next(folder.glob(impostor.pattern), None) is not None:
                    return f"{source} holds {impostor.what}; {needed}"
    own = f"; classes of your own take another name and --images {source}"
    hint = own if spec.task == "classification" and _subfolders(source) else ""
    return f"{source} does not hold the set: {needed} (see {spec.homepage}){hint}"


def _or_class_folders(spec: DatasetSpec) -> str:
    """Say how the set lies in folders of classes, if it may; archives show their names alone."""
    parts = [
        f"{name}/{spec.codes[0]}/ to {name}/{spec.codes[-1]}/"
        for layout in spec.layouts
        if isinstance(layout, ClassFolderLayout)
        for name in layout.splits.values()
    ]
    return f", or with {' and '.join(parts)}, a folder of images a class" if parts else ""


def _levels(source: Path) -> Iterator[list[Path]]:
    """Yield a folder, its subfolders, theirs, and so on, without entering folders of images."""
    level = [source]
    for _ in range(_SEARCH_DEPTH + 1):
        yield level
        level = [
            child
            for folder in level
            if folder.name not in ("images", "annotations")
            for child in _subfolders(folder)
        ]


def _subfolders(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            return sorted(Path(entry.path) for entry in entries if entry.is_dir())
    except PermissionError:
        return []


def _needs(layout: Layout) -> list[str]:
    """Return the paths below the root by which a layout is known."""
    match layout:
        case PairLayout():
            files = layout.splits.values()
            names = [name for one in files for name in (one.images, one.masks, one.ids) if name]
            return list(dict.fromkeys(names))
        case DetailLayout():
            return [layout.images, layout.annotations]
        case BoxLayout():
            return [*layout.images.values(), *layout.annotations.values()]
        case IlsvrcLayout():
            return [layout.train, layout.val, layout.devkit]
        case ClassFolderLayout():
            return [*layout.splits.values()]


def _holds(folder: Path, layout: Layout) -> bool:
    if not all((folder / name).exists() for name in _needs(layout)):
        return False
    match layout:
        case PairLayout():
            return _has_masks(folder, layout)
        case ClassFolderLayout():
            return all(_has_classes(folder / name) for name in layout.splits.values())
        case _:
            return True


def _has_masks(folder: Path, layout: PairLayout) -> bool:
    """Tell layouts apart that differ in the names of masks only; empty folders fit any."""
    masks = {folder / one.masks for one in layout.splits.values()}
    return all(
        first_mask(one, layout.mask_suffix) is not None or not any(one.iterdir()) for one in masks
    )


def _has_classes(folder: Path) -> bool:
    return any(path.name.startswith("n") and path.is_dir() for path in folder.iterdir())
