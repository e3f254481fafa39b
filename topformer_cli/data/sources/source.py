"""A set found on disk, ready to be prepared: its images, and what is known of each."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from topformer_cli.data.findings import Finding, LintError
from topformer_cli.data.labels import Labels
from topformer_cli.data.spec import MatMask, Task


@dataclass(frozen=True, slots=True)
class Blob:
    """Bytes on disk: a whole file, or a member of an uncompressed tar."""

    path: Path
    offset: int = 0
    size: int | None = None
    member: str = ""

    def __str__(self) -> str:
        return f"{self.path}:{self.member}" if self.member else str(self.path)

    @property
    def name(self) -> str:
        """The file name, without folders."""
        return self.member.rpartition("/")[2] or self.path.name

    def length(self) -> int:
        """Return the number of bytes.

        Raises:
            LintError: the file is not there.
        """
        return self._status().st_size if self.size is None else self.size

    def read(self) -> bytes:
        """Return the bytes.

        Raises:
            LintError: the file cannot be read.
        """
        try:
            if self.size is None:
                return self.path.read_bytes()
            with self.path.open("rb") as file:
                file.seek(self.offset)
                return file.read(self.size)
        except OSError as error:
            raise self._unreadable(error) from error

    def key(self) -> str:
        """Return what identifies the present content without reading it.

        Raises:
            LintError: the file is not there.
        """
        status = self._status()
        length = status.st_size if self.size is None else self.size
        return "\0".join((self.name, str(self.offset), str(length), str(status.st_mtime_ns)))

    def _status(self) -> os.stat_result:
        try:
            return self.path.stat()
        except OSError as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: OSError) -> LintError:
        what = f"cannot be read ({error.strerror})"
        remedy = "check the file and its permissions"
        return LintError(Finding("unreadable", str(self), what, remedy))


@dataclass(frozen=True, slots=True)
class Run:
    """A run-length mask in COCO's compressed form, and the 8-bit value it paints."""

    value: int
    counts: str | tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Painted:
    """A mask that is painted from runs, one over another; height and width in pixels."""

    height: int
    width: int
    runs: tuple[Run, ...]


@dataclass(frozen=True, slots=True)
class Box:
    """One object: its id, (left, top, width, height) in pixels, train id, area, crowd or not."""

    id: int
    bbox: tuple[float, float, float, float]
    category: int
    area: float
    crowd: bool


@dataclass(frozen=True, slots=True)
class Boxes:
    """The objects of an image; image_id is the set's own, height and width are in pixels."""

    image_id: int
    height: int
    width: int
    boxes: tuple[Box, ...]


Target = Blob | Painted | Boxes | int
"""A mask file, a painted mask, boxes, or a train id."""


@dataclass(frozen=True, slots=True)
class Item:
    """An image and its target; id is unique within the split."""

    id: str
    image: Blob
    target: Target

    def key(self) -> str:
        """Return what identifies the present content without reading it."""
        target = self.target.key() if isinstance(self.target, Blob) else repr(self.target)
        return "\0".join((self.id, self.image.key(), target))

    def length(self) -> int:
        """Return the number of bytes of the files."""
        return self.image.length() + (self.target.length() if isinstance(self.target, Blob) else 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How the items of a set are read.

    mat is set where masks are MATLAB files. lenient says that the set is a published one, whose
    few EXIF tags that cannot be decided by size are ignored instead of refused.
    """

    task: Task
    labels: Labels
    mat: MatMask | None = None
    lenient: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A set found on disk, ready to be prepared; expected are the published counts by split.

    notes are odd things that become warnings of the card.
    """

    name: str
    title: str
    reading: Reading
    splits: Mapping[str, tuple[Item, ...]]
    place: Path
    codes: tuple[str, ...] = ()
    expected: Mapping[str, int]
    terms: str
    homepage: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparation:
    """Where and how a set is prepared; what every request for one says.

    force prepares again although nothing changed. allow_partial accepts fewer images than were
    published. notes become warnings of the card. workers is the number of processes, None for as
    many as the work is worth.
    """

    cache_dir: Path
    force: bool = False
    allow_partial: bool = False
    notes: tuple[str, ...] = ()
    workers: int | None = None
