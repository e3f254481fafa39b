"""What can go wrong with the disk, in one line each."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from topformer_cli.errors import DataError
from topformer_cli.units import size_text


class DiskError(DataError):
    """The disk takes no more, or may not be written to; what is there stays there."""


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn an error of the disk inside the block into one line.

    Raises:
        DiskError: the disk is full, read-only or not ours; what was written is kept.
    """
    try:
        yield
    except OSError as error:
        place = error.filename or path
        message = (
            f"{place}: {error.strerror or error}; what is complete is kept: free some space or "
            "choose another place with --cache-dir, then type the same line again"
        )
        raise DiskError(message) from error


def sweep(path: Path) -> None:
    """Remove what a killed `rundir.atomic_write` of a file left; only who holds its lock may."""
    for left in path.parent.iterdir():
        if left.name.startswith(f".{path.name}-"):
            left.unlink()


def free_bytes(path: Path) -> int:
    """Return the free space where a path lies or will lie."""
    existing = next(one for one in (path.absolute(), *path.absolute().parents) if one.exists())
    return shutil.disk_usage(existing).free


def require_space(path: Path, needed: int, what: str) -> None:
    """Refuse to start what cannot be finished.

    Raises:
        DiskError: there is less free space than needed.
    """
    free = free_bytes(path)
    if needed > free:
        message = (
            f"{path} has {size_text(free)} free, and {size_text(needed)} are needed ({what}); free "
            "some space or choose another place with --cache-dir"
        )
        raise DiskError(message)
