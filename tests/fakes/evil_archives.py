"""Zip and tar archives with members that no data set has."""

import gzip
import io
import stat
import tarfile
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

TAR_TYPES: Final = {
    "file": tarfile.REGTYPE,
    "folder": tarfile.DIRTYPE,
    "symlink": tarfile.SYMTYPE,
    "hardlink": tarfile.LNKTYPE,
    "character device": tarfile.CHRTYPE,
    "block device": tarfile.BLKTYPE,
    "pipe": tarfile.FIFOTYPE,
    "unknown": b"V",
}
ZIP_MODES: Final = {
    "file": stat.S_IFREG | 0o644,
    "folder": stat.S_IFDIR | 0o755,
    "symlink": stat.S_IFLNK | 0o777,
    "character device": stat.S_IFCHR | 0o644,
    "block device": stat.S_IFBLK | 0o644,
    "pipe": stat.S_IFIFO | 0o644,
}


@dataclass(frozen=True, slots=True)
class Entry:
    """A member as it is written, whatever its name; target is a link's."""

    name: str
    kind: str = "file"
    data: bytes = b"content"
    target: str = ""


GOOD: Final = Entry("set/good.txt", data=b"good")


def make_zip(entries: Sequence[Entry], method: int = zipfile.ZIP_STORED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for one in entries:
            info = zipfile.ZipInfo("placeholder", (2016, 7, 1, 12, 0, 0))
            info.filename = one.name + ("/" if one.kind == "folder" else "")
            info.external_attr = ZIP_MODES[one.kind] << 16
            data = one.target.encode() if one.kind == "symlink" else one.data
            archive.writestr(info, b"" if one.kind == "folder" else data, method)
    return out.getvalue()


def make_tar(entries: Sequence[Entry], mode: str = "w:") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode, format=tarfile.PAX_FORMAT) as archive:  # type: ignore[call-overload]
        for one in entries:
            info = tarfile.TarInfo(one.name)
            info.type = TAR_TYPES[one.kind]
            info.mtime = 1467374400
            info.linkname = one.target
            data = one.data if one.kind in ("file", "unknown") else b""
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def make_tar_gz(entries: Sequence[Entry]) -> bytes:
    return make_tar(entries, "w:gz")


MAKERS: Final[dict[str, Callable[[Sequence[Entry]], bytes]]] = {
    "zip": make_zip,
    "tar": make_tar,
    "tar.gz": make_tar_gz,
}


def encrypted(data: bytes) -> bytes:
    """Set the flag of encryption in every header of a zip."""
    changed = bytearray(data)
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = changed.find(mark)
        while at >= 0:
            changed[at + offset] |= 1
            at = changed.find(mark, at + 1)
    return bytes(changed)


def understated(data: bytes, size: int) -> bytes:
    """Let the headers of a zip with one member say that it inflates to `size` bytes."""
    changed = bytearray(data)
    for mark, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        at = changed.find(mark)
        changed[at + offset : at + offset + 4] = size.to_bytes(4, "little")
    return bytes(changed)


def negative_size() -> bytes:
    """Return a tar whose member says that it is smaller than nothing."""
    info = tarfile.TarInfo("set/odd.txt")
    header = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    header[124:136] = b"\xff" * 10 + b"\xfe\x00"
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return make_tar([GOOD])[:1024] + bytes(header) + bytes(10240)


def huge_header(size: int) -> bytes:
    """Return a tar.gz whose pax header says that it has so many bytes, and has them."""
    info = tarfile.TarInfo("pax")
    info.type = tarfile.XHDTYPE
    info.size = size
    return gzip.compress(info.tobuf(tarfile.USTAR_FORMAT) + bytes(size), 1)
