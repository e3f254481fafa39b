"""Pairs images and masks that lie in folders by their stems."""

import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from topformer_cli.data.findings import Faults, Finding, settle
from topformer_cli.data.sources.source import Blob, Item
from topformer_cli.errors import DataError

IMAGE_SUFFIXES: Final = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"})
_CONVERTED: Final = ("_labelTrainIds.png", "_instanceTrainIds.png")
"""What mmsegmentation's converters write beside the masks that they read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Folders:
    """The folders of one split; ids are the stems that belong to it, None for all there are.

    partial says that stems of which neither image nor mask is there may be left out.
    """

    images: Path
    masks: Path
    mask_suffix: str = ".png"
    ids: tuple[str, ...] | None = None
    partial: bool = False


def paired(
    splits: Mapping[str, Folders], faults: Faults | None = None
) -> dict[str, tuple[Item, ...]]:
    """Pair the images and masks of all splits; faults takes what does not pair.

    Raises:
        DataError: they do not pair, and no faults are gathered; every one is named.
    """
    items: dict[str, tuple[Item, ...]] = {}
    problems: list[Finding] = []
    for split, folders in splits.items():
        items[split], found = _pair(folders)
        problems += found
    settle(problems, faults)
    return items


def read_ids(path: Path) -> tuple[str, ...]:
    """Read a list of stems, one a line.

    Raises:
        DataError: the file cannot be read, or is empty.
    """
    try:
        ids = tuple(path.read_text(encoding="utf-8").split())
    except (OSError, UnicodeDecodeError) as error:
        message = f"{path} cannot be read as a list of images ({error}); replace it"
        raise DataError(message) from error
    if not ids:
        message = f"{path} is empty; it must name the images of the split, one a line"
        raise DataError(message)
    return ids


def first_mask(folder: Path, suffix: str) -> Path | None:
    """Return a mask of the folder, None if it holds none with this suffix."""
    is_mask = _mask_stem(suffix)
    for parent, _, names in os.walk(folder, followlinks=True):
        for name in names:
            if is_mask(name) is not None:
                return Path(parent, name)
    return None


def masks_by_stem(folder: Path, suffix: str) -> dict[str, list[Path]]:
    """Return the masks below a folder by relative path without suffix; hidden files are none."""
    return _by_stem(folder, _mask_stem(suffix))


def _pair(folders: Folders) -> tuple[tuple[Item, ...], list[Finding]]:
    images = _by_stem(folders.images, _image_stem)
    masks = masks_by_stem(folders.masks, folders.mask_suffix)
    if problems := _nothing_to_pair(folders, images, masks):
        return (), problems
    stems, problems = _wanted(folders, images, masks)
    problems += misnamed(folders.images, stems)
    problems += [
        Finding("twice", str(paths[1]), f"has the same stem as {paths[0].name}", "keep one of them")
        for files in (images, masks)
        for stem, paths in files.items()
        if len(paths) > 1 and stem in stems
    ]
    problems += _without_partner(folders, stems, images, masks)
    both = (stem for stem in stems if stem in images and stem in masks)
    return tuple(Item(s, Blob(images[s][0]), Blob(masks[s][0])) for s in both), problems


Files = dict[str, list[Path]]


def _nothing_to_pair(folders: Folders, images: Files, masks: Files) -> list[Finding]:
    if not images:
        what = f"holds no images ({', '.join(sorted(IMAGE_SUFFIXES))})"
        return [Finding("no-image", str(folders.images), what, "name the folder that does")]
    if not masks:
        suffix = folders.mask_suffix
        remedy = "masks must be PNG files" if suffix == ".png" else "name the folder that does"
        return [Finding("no-mask", str(folders.masks), f"holds no masks ({suffix})", remedy)]
    if folders.ids is None and not images.keys() & masks.keys():
        what = f": no mask has the stem of an image (image {min(images)!r}, mask {min(masks)!r})"
        return [Finding("no-mask", str(folders.masks), what, "name each mask like its image")]
    return []


def _without_partner(
    folders: Folders, stems: Mapping[str, None], images: Files, masks: Files
) -> list[Finding]:
    problems = []
    for stem in stems:
        if stem in images and stem not in masks:
            what = f"has no mask {folders.masks / stem}{folders.mask_suffix}"
            remedy = "add it or remove the image"
            problems.append(Finding("no-mask", str(images[stem][0]), what, remedy))
        if stem in masks and stem not in images:
            what = f"has no image {folders.images / stem}.*"
            remedy = "add it or remove the mask"
            problems.append(Finding("no-image", str(masks[stem][0]), what, remedy))
    return problems


def _wanted(folders: Folders, images: Files, masks: Files) -> tuple[dict[str, None], list[Finding]]:
    """Return the stems of the split in order, and what is wrong with its list."""
    if folders.ids is None:
        return dict.fromkeys(sorted(images.keys() | masks.keys())), []
    absent = [stem for stem in folders.ids if stem not in images and stem not in masks]
    if folders.partial:
        return dict.fromkeys(stem for stem in folders.ids if stem not in set(absent)), []
    what = "and its mask are missing"
    return dict.fromkeys(folders.ids), [
        Finding("missing", f"{folders.images / stem}.*", what, "complete the folder")
        for stem in absent
    ]


def _by_stem(folder: Path, stem_of: Callable[[str], str | None]) -> Files:
    """Return the files below a folder by relative path and stem."""
    files: defaultdict[str, list[Path]] = defaultdict(list)
    for parent, names in visible(folder):
        below = parent.relative_to(folder)
        for name in names:
            if (stem := stem_of(name)) is not None:
                files[(below / stem).as_posix()].append(parent / name)
    return files


def visible(folder: Path) -> Iterator[tuple[Path, list[str]]]:
    """Yield a folder and those below it with the names of their files; hidden ones are no data."""
    for parent, folders, names in os.walk(folder, followlinks=True):
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".") and not leads_back(Path(parent, name))
        )
        yield Path(parent), sorted(name for name in names if not name.startswith("."))


def misnamed(folder: Path, names: Iterable[str]) -> Iterator[Finding]:
    """Yield a finding for each name that no text can hold, as a prepared set would have to."""
    for name in names:
        try:
            name.encode()
        except UnicodeEncodeError:
            shown = os.fsencode(folder / name).decode(errors="backslashreplace")
            yield Finding("name", shown, "has a name that is not UTF-8", "rename it")


def leads_back(folder: Path) -> bool:
    """Say whether a link leads to a folder that it lies in, and a walk would not end."""
    return folder.is_symlink() and folder.parent.resolve().is_relative_to(folder.resolve())


def _image_stem(name: str) -> str | None:
    stem, suffix = os.path.splitext(name)  # noqa: PTH122 - a hundred thousand names
    return stem if suffix.lower() in IMAGE_SUFFIXES and not name.startswith(".") else None


def _mask_stem(suffix: str) -> Callable[[str], str | None]:
    def stem_of(name: str) -> str | None:
        if name.startswith(".") or not name.lower().endswith(suffix.lower()):
            return None
        if suffix == ".png" and name.endswith(_CONVERTED):
            return None
        return name[: -len(suffix)]

    return stem_of
