"""The beginning of a file that is being downloaded, and what it is the beginning of."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

from topformer_cli.data.fetch.disk import sweep, writing
from topformer_cli.rundir import write_json


@dataclass(frozen=True, slots=True)
class Origin:
    """What a server said of a file; total is its size in bytes, None if it did not say."""

    url: str
    etag: str | None
    last_modified: str | None
    total: int | None

    @property
    def condition(self) -> str | None:
        """What If-Range may be asked with: a strong ETag, else the date (RFC 9110, 13.1.5)."""
        if self.etag and not self.etag.startswith("W/"):
            return self.etag
        return self.last_modified

    def contradicts(self, other: "Origin") -> bool:
        """Return whether another answer of the same server is about another content."""
        pairs = (
            (self.etag, other.etag),
            (self.last_modified, other.last_modified),
            (self.total, other.total),
        )
        return any(one is not None and two is not None and one != two for one, two in pairs)


class Part:
    """NAME.part and NAME.part.json beside the name that the whole file will take.

    The note is written before the first byte and removed after the last: bytes without a note are
    never gone on with.
    """

    def __init__(self, whole: Path) -> None:
        self.whole = whole
        self.path = whole.with_name(f"{whole.name}.part")
        self.note = whole.with_name(f"{whole.name}.part.json")

    @property
    def size(self) -> int:
        """The number of bytes that are there."""
        try:
            return self.path.stat().st_size
        except OSError:
            return 0

    def origin(self) -> Origin | None:
        """Return what the bytes are the beginning of, None if that is not known."""
        try:
            return Origin(**json.loads(self.note.read_bytes()))
        except (OSError, ValueError, TypeError):
            return None

    def begin(self, origin: Origin) -> None:
        """Forget the bytes that are there and note what comes now."""
        with writing(self.path):
            self.discard()
            sweep(self.note)
            write_json(self.note, asdict(origin))

    def go_on(self, origin: Origin) -> None:
        """Note what the bytes from here on are said to be of."""
        with writing(self.note):
            write_json(self.note, asdict(origin))

    def append(self, chunk: bytes, file: BinaryIO) -> None:
        """Write bytes to the end, all of them."""
        with writing(self.path):
            rest = memoryview(chunk)
            while rest:
                rest = rest[file.write(rest) :]

    def open(self) -> BinaryIO:
        """Open for appending, without a buffer that a kill would lose."""
        with writing(self.path):
            return self.path.open("ab", buffering=0)

    def complete(self) -> None:
        """Give the bytes their final name."""
        with writing(self.path):
            with self.path.open("rb") as file:
                os.fsync(file.fileno())
            self.path.replace(self.whole)
            self.note.unlink(missing_ok=True)

    def reject(self) -> Path:
        """Put the bytes aside under a name that is never used; return it."""
        rejected = self.whole.with_name(f"{self.whole.name}.rejected")
        with writing(self.path):
            self.path.replace(rejected)
            self.note.unlink(missing_ok=True)
        return rejected

    def discard(self) -> None:
        """Remove the bytes, then the note."""
        with writing(self.path):
            self.path.unlink(missing_ok=True)
            self.note.unlink(missing_ok=True)
