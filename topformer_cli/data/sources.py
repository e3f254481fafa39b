"""Finds the images and masks of a set as people have it on disk, and pairs them by stem."""

import hashlib
import os
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from topformer_cli.data.labels import Labels, custom_labels, published_labels, read_classes
from topformer_cli.data.lint import refuse_all
from topformer_cli.data.spec import DatasetSpec, FolderLayout
from topformer_cli.errors import DataError

IMAGE_SUFFIXES: Final = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"})
MASK_SUFFIXES: Final = frozenset({".png"})
SPLITS: Final = ("train", "val")
_SEARCH_DEPTH: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderRequest:
    """A custom set as the command line describes it.

    classes is a file or a comma list (see labels.py). images and masks hold `train` and `val`, or
    are flat, and then val_fraction of them, chosen by seed and name, become the validation part.
    """

    name: str
    images: Path
    masks: Path
    classes: str
    cache_dir: Path
    ignore: tuple[int, ...] = ()
    val_fraction: float | None = None
    seed: int = 0
    title: str = ""
    terms: str = ""
    force: bool = False


@dataclass(frozen=True, slots=True)
class Pair:
    """An image and its mask; id is the path below the split's folder without suffix."""

    id: str
    image: Path
    mask: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A set found on disk, ready to be prepared.

    lenient says that the set is a published one, whose few EXIF tags that cannot be decided by
    size are ignored instead of refused.
    """

    name: str
    title: str
    labels: Labels
    splits: Mapping[str, tuple[Pair, ...]]
    place: Path
    expected: Mapping[str, int]
    terms: str
    homepage: str
    lenient: bool


def folder_source(request: FolderRequest) -> Source:
    """Find the pairs of a custom set.

    Raises:
        DataError: a folder is missing, or images and masks do not pair; every one is named.
    """
    labels = custom_labels(read_classes(request.classes), request.ignore)
    for option, folder in (("--images", request.images), ("--masks", request.masks)):
        if not folder.is_dir():
            message = f"{option} {folder}: no such folder"
            raise DataError(message)
    if request.val_fraction is None:
        splits = _paired(
            {s: (request.images / s, request.masks / s) for s in _custom_splits(request)}
        )
    else:
        splits = _divided(request, request.val_fraction)
    return Source(
        name=request.name,
        title=request.title or request.name,
        labels=labels,
        splits=splits,
        place=request.images.resolve(),
        expected={},
        terms=request.terms,
        homepage="",
        lenient=False,
    )


def published_source(spec: DatasetSpec, source: Path) -> Source:
    """Find a published set in or under a folder.

    Raises:
        DataError: it is not there, or something else is; says what is needed.
    """
    root = _find_root(spec, source)
    splits = _paired(
        {
            split: (root / folders.images, root / folders.masks)
            for split, folders in spec.layout.splits.items()
        }
    )
    return Source(
        name=spec.name,
        title=spec.title,
        labels=published_labels(spec),
        splits=splits,
        place=root.resolve(),
        expected=spec.counts,
        terms=spec.terms,
        homepage=spec.homepage,
        lenient=True,
    )


def file_key(pair: Pair) -> str:
    """Return what identifies the present content of a pair's files without reading them."""
    parts = [pair.id]
    for path in (pair.image, pair.mask):
        status = path.stat()
        parts += [path.name, str(status.st_size), str(status.st_mtime_ns)]
    return "\0".join(parts)


def _custom_splits(request: FolderRequest) -> tuple[str, ...]:
    for split in SPLITS:
        for option, folder in (("--images", request.images), ("--masks", request.masks)):
            if not (folder / split).is_dir():
                message = (
                    f"{option} {folder} has no folder {split}; it must hold train and val, or add "
                    "--val-fraction 0.2 to divide a flat folder"
                )
                raise DataError(message)
    return SPLITS


def _divided(request: FolderRequest, fraction: float) -> dict[str, tuple[Pair, ...]]:
    """Divide a flat folder; a hash decides, so that an added image moves no other one."""
    if not 0 < fraction < 1:
        message = f"--val-fraction {fraction}: give a share between 0 and 1, such as 0.2"
        raise DataError(message)
    pairs = _paired({"": (request.images, request.masks)})[""]
    ranked = sorted(
        pairs, key=lambda pair: hashlib.sha256(f"{request.seed}/{pair.id}".encode()).digest()
    )
    if len(ranked) < 2:
        message = f"--images {request.images}: one image cannot be divided into train and val"
        raise DataError(message)
    held = min(max(round(len(ranked) * fraction), 1), len(ranked) - 1)
    val = {pair.id for pair in ranked[:held]}
    return {
        "train": tuple(pair for pair in pairs if pair.id not in val),
        "val": tuple(pair for pair in pairs if pair.id in val),
    }


def _paired(folders: Mapping[str, tuple[Path, Path]]) -> dict[str, tuple[Pair, ...]]:
    splits: dict[str, tuple[Pair, ...]] = {}
    problems: list[str] = []
    for split, (images, masks) in folders.items():
        splits[split], found = _pair_by_stem(images, masks)
        problems += found
    refuse_all(problems)
    return splits


def _pair_by_stem(images: Path, masks: Path) -> tuple[tuple[Pair, ...], list[str]]:
    image_files = _by_stem(images, IMAGE_SUFFIXES)
    mask_files = _by_stem(masks, MASK_SUFFIXES)
    if not image_files:
        return (), [f"{images} holds no images ({', '.join(sorted(IMAGE_SUFFIXES))})"]
    if not mask_files:
        return (), [f"{masks} holds no masks (.png); masks must be PNG files"]
    if not image_files.keys() & mask_files.keys():
        image, mask = min(image_files), min(mask_files)
        return (), [
            f"{masks}: no mask has the stem of an image (image {image!r}, mask {mask!r}); "
            "name each mask like its image"
        ]
    problems = [
        f"{paths[1]} has the same stem as {paths[0].name}; keep one of them"
        for paths in (*image_files.values(), *mask_files.values())
        if len(paths) > 1
    ]
    problems += [
        f"{image_files[stem][0]} has no mask {masks / stem}.png; add it or remove the image"
        for stem in sorted(image_files.keys() - mask_files.keys())
    ]
    problems += [
        f"{mask_files[stem][0]} has no image {images / stem}.*; add it or remove the mask"
        for stem in sorted(mask_files.keys() - image_files.keys())
    ]
    shared = sorted(image_files.keys() & mask_files.keys())
    return tuple(Pair(s, image_files[s][0], mask_files[s][0]) for s in shared), problems


def _by_stem(folder: Path, suffixes: Iterable[str]) -> dict[str, list[Path]]:
    """Return the files below a folder by relative path without suffix; hidden files are no data."""
    files: defaultdict[str, list[Path]] = defaultdict(list)
    for parent, folders, names in os.walk(folder, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(parent, name)
            if path.suffix.lower() in suffixes and not name.startswith("."):
                files[path.relative_to(folder).with_suffix("").as_posix()].append(path)
    return files


def _find_root(spec: DatasetSpec, source: Path) -> Path:
    if source.is_file():
        message = f"--source {source} is a file; unpack it and give the folder"
        raise DataError(message)
    if not source.is_dir():
        message = f"--source {source}: no such folder"
        raise DataError(message)
    folders = list(_folders(source))
    complete = [folder for folder in folders if _holds(folder, spec.layout)]
    named = [folder for folder in complete if folder.name == spec.layout.root]
    for root in named or complete:
        return root
    needed = f"{spec.title} needs a folder {spec.layout.root} with " + ", ".join(
        folder for split in spec.layout.splits.values() for folder in (split.images, split.masks)
    )
    for folder in folders:
        for impostor in spec.layout.impostors:
            if next(folder.glob(impostor.pattern), None) is not None:
                message = f"--source {source} holds {impostor.what}; {needed}"
                raise DataError(message)
    message = f"--source {source} does not hold the set: {needed} (see {spec.homepage})"
    raise DataError(message)


def _folders(source: Path) -> Iterable[Path]:
    """Yield a folder and those below it, nearest first, without entering image folders."""
    level = [source]
    for _ in range(_SEARCH_DEPTH + 1):
        yield from level
        level = [
            child
            for folder in level
            if folder.name not in ("images", "annotations")
            for child in _subfolders(folder)
        ]


def _subfolders(folder: Path) -> list[Path]:
    try:
        return sorted(child for child in folder.iterdir() if child.is_dir())
    except PermissionError:
        return []


def _holds(folder: Path, layout: FolderLayout) -> bool:
    return all(
        (folder / part).is_dir()
        for split in layout.splits.values()
        for part in (split.images, split.masks)
    )
