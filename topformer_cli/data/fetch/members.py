"""Reads the members of zip and tar archives one after another, as one kind of record.

Formats: PKWARE's APPNOTE.TXT (zip), POSIX.1-2001 pax interchange format (tar), RFC 1952 (gzip).
"""

import calendar
import contextlib
import gzip
import io
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO, Final, Literal

from topformer_cli.data.fetch.verify import FIRST_BYTES
from topformer_cli.errors import DataError
from topformer_cli.units import size_text

Kind = Literal["file", "folder", "symlink", "hardlink", "device", "encrypted", "unknown"]

MOST_MEMBERS: Final = 500_000
"""Four times as many as COCO's; each costs memory and an inode."""

_OVERHEAD: Final = 2048 * MOST_MEMBERS
"""Bytes that a tar may have beside its members' contents: headers, long names, padding."""

_BLOCK: Final = 512
_LONGEST_READ: Final = 1 << 22
_LONGEST_LINK: Final = 4096
_FIRST_DATE: Final = 315532800.0
"""1980-01-01, where a zip's dates begin."""

_LAST_DATE: Final = 2.0**33


@dataclass(frozen=True, slots=True)
class Member:
    """A member as its header has it; position is how far into the archive it lies, in bytes.

    mtime is in seconds since 1970; target is what a link points at.
    """

    name: str
    kind: Kind
    size: int
    target: str
    mtime: float
    position: int
    chunks: Callable[[], Iterator[bytes]]


def read_members(path: Path, limit: int) -> Iterator[Member]:
    """Yield the members of an archive once, in order.

    limit is the most bytes that members may have together; a zip that announces more is refused
    before anything is read.

    Raises:
        DataError: it is no archive, or it is damaged or ends too early.
    """
    with _readable(path), path.open("rb") as file:
        first = file.read(FIRST_BYTES)
        file.seek(0)
        if first.startswith(b"PK"):
            with zipfile.ZipFile(file) as archive:
                yield from _zip_members(archive, path, limit)
        elif first.startswith(b"\x1f\x8b"):
            with gzip.GzipFile(fileobj=file) as inflated:
                yield from _tar_members(_Bounded(inflated, path, limit + _OVERHEAD), file, path)
        elif first:
            yield from _tar_members(_Bounded(file, path, limit + _OVERHEAD), file, path)
        else:
            message = f"{path} is empty"
            raise DataError(message)


@contextlib.contextmanager
def _readable(path: Path, member: str = "") -> Iterator[None]:
    """Turn whatever the libraries raise inside the block into one line."""
    try:
        yield
    except (
        zipfile.BadZipFile,
        tarfile.TarError,
        gzip.BadGzipFile,
        zlib.error,
        EOFError,
        NotImplementedError,
        RuntimeError,
        ValueError,
        struct.error,
        OSError,
    ) as error:
        where = f"{path}: {member!r}" if member else str(path)
        reason = str(error) or type(error).__name__
        message = f"{where} cannot be read: the archive is damaged or cut short ({reason})"
        raise DataError(message) from error


def _zip_members(archive: zipfile.ZipFile, path: Path, limit: int) -> Iterator[Member]:
    infos = archive.infolist()
    total = sum(info.file_size for info in infos)
    if total > limit:
        message = f"{path} unpacks to {size_text(total)}, more than the {size_text(limit)} it may"
        raise DataError(message)
    for info in infos:
        yield Member(
            name=info.orig_filename,
            kind=_zip_kind(info),
            size=info.file_size,
            target=_zip_target(archive, info, path),
            mtime=_zip_date(info),
            position=info.header_offset,
            chunks=lambda info=info: _zip_chunks(archive, info, path),  # type: ignore[misc]
        )


def _zip_kind(info: zipfile.ZipInfo) -> Kind:
    mode = info.external_attr >> 16
    if info.flag_bits & 0x1:
        return "encrypted"
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return "unknown"
    if stat.S_ISLNK(mode):
        return "symlink"
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "device"
    return "folder" if info.filename.endswith("/") else "file"


def _zip_target(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path) -> str:
    if _zip_kind(info) != "symlink" or info.file_size > _LONGEST_LINK:
        return ""
    return b"".join(_zip_chunks(archive, info, path)).decode("utf-8", "surrogateescape")


def _zip_date(info: zipfile.ZipInfo) -> float:
    try:
        return float(calendar.timegm((*info.date_time, 0, 0, 0)))
    except ValueError:
        return _FIRST_DATE


def _zip_chunks(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path) -> Iterator[bytes]:
    with _readable(path, info.filename), archive.open(info) as member:
        yield from _chunks(member)


def _chunks(member: IO[bytes]) -> Iterator[bytes]:
    while chunk := member.read(1 << 20):
        yield chunk


class _Bounded(io.RawIOBase):
    """What tarfile reads an archive through: so many bytes, and none of its headers are huge.

    tarfile reads a long name or a pax header into memory, however long it says it is.
    """

    def __init__(self, inner: BinaryIO | gzip.GzipFile, path: Path, limit: int) -> None:
        self.inner, self.path, self.limit = inner, path, limit
        self.last = b""

    def read(self, size: int = -1) -> bytes:
        """Read so many bytes."""
        if not 0 <= size <= _LONGEST_READ:
            message = f"{self.path} has a header of {size_text(size)}: it is damaged"
            raise DataError(message)
        self.last = self.inner.read(size)
        if self.inner.tell() > self.limit:
            message = f"{self.path} unpacks to more than the {size_text(self.limit)} it may"
            raise DataError(message)
        return self.last

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to an offset."""
        return self.inner.seek(offset, whence)

    def tell(self) -> int:
        """Return the offset."""
        return self.inner.tell()


def _tar_members(bounded: _Bounded, file: BinaryIO, path: Path) -> Iterator[Member]:
    with tarfile.open(fileobj=bounded, mode="r:") as archive:
        while (info := archive.next()) is not None:
            yield Member(
                name=info.name,
                kind=_tar_kind(info),
                size=info.size if info.isreg() else 0,
                target=info.linkname,
                mtime=min(max(float(info.mtime), 0.0), _LAST_DATE),
                position=file.tell(),
                chunks=lambda info=info: _tar_chunks(archive, info, path),  # type: ignore[misc]
            )
        # tarfile takes anything that is no header for the end.
        if bounded.last.strip(b"\0") or len(bounded.last) < _BLOCK:
            message = f"{path} is damaged or cut short: it has no end mark"
            raise DataError(message)
        while bounded.read(1 << 20):  # a gzip's checksum comes last
            pass


def _tar_kind(info: tarfile.TarInfo) -> Kind:
    kinds: tuple[tuple[bool, Kind], ...] = (
        (info.isreg(), "file"),
        (info.isdir(), "folder"),
        (info.issym(), "symlink"),
        (info.islnk(), "hardlink"),
        (info.isdev(), "device"),
    )
    return next((kind for is_it, kind in kinds if is_it), "unknown")


def _tar_chunks(archive: tarfile.TarFile, info: tarfile.TarInfo, path: Path) -> Iterator[bytes]:
    with _readable(path, info.name):
        member = archive.extractfile(info)
        assert member is not None
        with member:
            yield from _chunks(member)
