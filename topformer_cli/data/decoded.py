"""All training images of a set with their train ids, decoded, in one file mapped into memory.

Every process maps the same file, so that its pages are in memory once. An image's record is its
RGB pixels [height, width, 3] and then its train ids [height, width], 8 bits each, as the samples
decode them; records follow one another in the order of the set. The file is written under another
name by several processes and takes its own when it is complete; what a killed writer left is
written anew. Where an image cannot be decoded, its record is empty pixels and the list beside says
why.
"""

import contextlib
import functools
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import filelock
import numpy as np
from numpy.typing import NDArray

from topformer_cli.data.decode import Pixels
from topformer_cli.data.fetch.disk import require_space
from topformer_cli.data.samples import Arrays, UnreadableError, decode_pair
from topformer_cli.data.store import PreparedSet
from topformer_cli.data.workers import run_jobs
from topformer_cli.errors import DataError
from topformer_cli.rundir import write_json
from topformer_cli.units import size_text

VERSION: Final = 1
"""Goes up when other pixels are decoded from the same set."""

PIXELS_NAME: Final = "pixels.u8"
LIST_NAME: Final = "decoded.json"
JOB: Final = 64
"""Images that a process decodes at a time."""

FEW: Final = 1000
"""Below this many images, starting processes takes longer than decoding here."""

Progress = Callable[[int, int], None]
"""Called with (images done, images in all)."""


@dataclass(frozen=True, slots=True)
class DecodedSet:
    """The decoded training images of a set, read-only.

    sizes: [n, 2] (height, width); offsets: [n + 1] where each record begins, and the end;
    unreadable: why an image has no pixels, by its index.
    """

    path: Path
    sizes: NDArray[np.int64]
    offsets: NDArray[np.int64]
    unreadable: dict[int, tuple[str, str]]
    flat: Pixels

    @classmethod
    def open_or_build(
        cls, prepared: PreparedSet, cache_dir: Path, workers: int, progress: Progress
    ) -> "DecodedSet":
        """Open what lies in the cache, or decode the set into it with some processes.

        Of several that ask for the same set one decodes; the others wait for it.

        Raises:
            DataError: the set holds no masks or is damaged; the disk has no room for it.
        """
        prepared.require("segmentation")
        folder = decoded_folder(prepared, cache_dir)
        sizes = _sizes(prepared)
        record_bytes = 4 * sizes.prod(axis=1)
        offsets = np.concatenate(([0], np.cumsum(record_bytes)))
        job = _Job(prepared, folder, offsets)
        with _explained(job):
            folder.mkdir(parents=True, exist_ok=True)
            # The system lets go of the lock of a process that is killed.
            with filelock.FileLock(folder / ".lock"):
                unreadable = _listed(job)
                if unreadable is None:
                    unreadable = _build(job, workers, progress)
        return _opened(folder, sizes, offsets, unreadable)

    @property
    def nbytes(self) -> int:
        """The size of all records."""
        return int(self.offsets[-1])

    def image(self, index: int) -> Pixels:
        """Return the pixels [height, width, 3] of an image, RGB, as a view."""
        height, width = self._size(index)
        start = int(self.offsets[index])
        return self.flat[start : start + 3 * height * width].reshape(height, width, 3)

    def labels(self, index: int) -> Pixels:
        """Return the train ids [height, width] of an image, as a view."""
        height, width = self._size(index)
        stop = int(self.offsets[index + 1])
        return self.flat[stop - height * width : stop].reshape(height, width)

    def pair(self, index: int) -> Arrays:
        """Return image and train ids.

        Raises:
            UnreadableError: they could not be decoded.
        """
        if index in self.unreadable:
            raise UnreadableError(*self.unreadable[index])
        return self.image(index), self.labels(index)

    def _size(self, index: int) -> tuple[int, int]:
        height, width = self.sizes[index]
        return int(height), int(width)

    def __reduce__(self) -> tuple[Callable[..., "DecodedSet"], tuple[Any, ...]]:
        # The map does not travel to another process; the file is mapped again there.
        return _opened, (self.path, self.sizes, self.offsets, self.unreadable)


def decoded_folder(prepared: PreparedSet, cache_dir: Path) -> Path:
    """Return where the decoded set lies or would lie."""
    card = prepared.card
    return cache_dir / "decoded" / f"{card.name}-{card.fingerprint[:16]}"


@dataclass(frozen=True, slots=True)
class _Job:
    """What the processes that decode have to know."""

    prepared: PreparedSet
    folder: Path
    offsets: NDArray[np.int64]

    @property
    def nbytes(self) -> int:
        """The size of all records."""
        return int(self.offsets[-1])

    @property
    def part(self) -> Path:
        """The file while it is written."""
        return self.folder / f"{PIXELS_NAME}.part"


def _opened(
    path: Path,
    sizes: NDArray[np.int64],
    offsets: NDArray[np.int64],
    unreadable: dict[int, tuple[str, str]],
) -> DecodedSet:
    return DecodedSet(
        path, sizes, offsets, unreadable, np.memmap(path / PIXELS_NAME, np.uint8, "r")
    )


def _sizes(prepared: PreparedSet) -> NDArray[np.int64]:
    table = prepared.columns("train", ["height", "width"])
    columns = [table[name].to_numpy().astype(np.int64) for name in ("height", "width")]
    return np.stack(columns, axis=1)


def _listed(job: _Job) -> dict[int, tuple[str, str]] | None:
    """Return the unreadable images of a complete decoded set, None where there is none."""
    try:
        listed = json.loads((job.folder / LIST_NAME).read_text())
        length = (job.folder / PIXELS_NAME).stat().st_size
        known = (listed["version"], listed["fingerprint"], length)
        if known == (VERSION, job.prepared.card.fingerprint, job.nbytes):
            found = listed["unreadable"]
            return {int(index): (text, name) for index, (text, name) in found.items()}
    except (AttributeError, FileNotFoundError, KeyError, TypeError, ValueError):
        pass
    return None


def _build(job: _Job, workers: int, progress: Progress) -> dict[int, tuple[str, str]]:
    require_space(job.folder, job.nbytes, "the decoded training images")
    total = len(job.offsets) - 1
    (job.folder / LIST_NAME).unlink(missing_ok=True)
    unreadable: dict[int, tuple[str, str]] = {}
    done = 0
    try:
        with job.part.open("wb") as file:
            file.truncate(job.nbytes)
        jobs = [range(start, min(start + JOB, total)) for start in range(0, total, JOB)]
        decode = functools.partial(_decode, job)
        for indices, found in run_jobs(decode, jobs, workers if total >= FEW else 1):
            unreadable |= found
            done += len(indices)
            progress(done, total)
        with job.part.open("rb") as file:
            os.fsync(file.fileno())
        job.part.replace(job.folder / PIXELS_NAME)
    finally:
        job.part.unlink(missing_ok=True)
    record = {"version": VERSION, "fingerprint": job.prepared.card.fingerprint}
    write_json(job.folder / LIST_NAME, {**record, "unreadable": unreadable})
    return unreadable


def _decode(job: _Job, indices: range) -> dict[int, tuple[str, str]]:
    """Write some records; return the images that could not be decoded."""
    unreadable = {}
    with job.part.open("r+b", buffering=0) as file:
        for index in indices:
            try:
                image, labels = decode_pair(job.prepared, index)
            except UnreadableError as error:
                unreadable[index] = (str(error), error.id)
                continue
            file.seek(int(job.offsets[index]))
            _write(file.fileno(), image)
            _write(file.fileno(), labels)
    return unreadable


def _write(file: int, pixels: Pixels) -> None:
    """Write all of an array; a mapped file would end the process when the disk is full."""
    rest = memoryview(pixels.tobytes())
    while len(rest):
        rest = rest[os.write(file, rest) :]


@contextlib.contextmanager
def _explained(job: _Job) -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        message = (
            f"{error.filename or job.folder}: {error.strerror or error}; the decoded set takes "
            f"{size_text(job.nbytes)}: free some space, choose another place with --cache-dir, or "
            "train without it"
        )
        raise DataError(message) from error
