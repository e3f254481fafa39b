"""Unpacks the archives of a set into one folder, which appears when it is whole."""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from topformer_cli.data.fetch.disk import writing
from topformer_cli.data.fetch.request import Watcher
from topformer_cli.data.fetch.tree import Tree, Unpacking
from topformer_cli.errors import DataError
from topformer_cli.rundir import write_json

_MARK: Final = ".archives.json"


def unpack_all(parts: Sequence[Unpacking], folder: Path, watcher: Watcher) -> None:
    """Unpack archives into a folder; one that is not to be unpacked is linked there.

    A folder made of the same archives is left as it is.

    Raises:
        DataError: a member would be written elsewhere or is nothing that a data set has; or an
            archive is damaged, empty, or larger than announced.
        DiskError: the disk takes no more.
    """
    made_of = {one.archive.name: one.sha256 for one in parts}
    if _made_of(folder) == made_of:
        return
    partial = folder.with_name(f"{folder.name}.partial")
    with writing(partial):
        remove_tree(partial)
        remove_tree(folder)
        partial.mkdir(parents=True)
    try:
        _fill(parts, partial, watcher)
        with writing(partial):
            write_json(partial / _MARK, made_of)
            partial.rename(folder)
    except DataError:
        # What is unpacked is in the archives as well, and may be what fills the disk.
        remove_tree(partial)
        raise


def is_unpacked(folder: Path) -> bool:
    """Return whether a folder holds unpacked archives, whole."""
    return (folder / _MARK).is_file()


def remove_tree(folder: Path) -> None:
    """Remove an unpacked tree; a kill leaves no half of it under its own name."""
    removed = folder.with_name(f"{folder.name}.removed")
    if removed.exists():
        shutil.rmtree(removed)
    if folder.exists():
        folder.rename(removed)
        shutil.rmtree(removed)


def _made_of(folder: Path) -> Mapping[str, str] | None:
    try:
        made_of: dict[str, str] = json.loads((folder / _MARK).read_bytes())
    except (OSError, ValueError):
        return None
    return made_of


def _fill(parts: Sequence[Unpacking], root: Path, watcher: Watcher) -> None:
    sizes = [one.path.stat().st_size for one in parts]
    before = 0
    tree = Tree(root)
    for one, size in zip(parts, sizes, strict=True):
        if one.archive.unpack:
            for position in tree.add(one):
                watcher.progress("unpack", before + position, sum(sizes), one.archive.name)
        else:
            tree.add_link(one)
        before += size
    for text in tree.twice:
        watcher.note(text)
