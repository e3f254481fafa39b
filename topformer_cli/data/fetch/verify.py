"""Whether a file is the archive it should be: its first bytes, its size, its checksum."""

import hashlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from topformer_cli.data.fetch.ledger import FirstUse, How, Ledger, Verified, now
from topformer_cli.data.spec import Archive
from topformer_cli.units import size_text

FIRST_BYTES: Final = 512
"""As many bytes as every kind of archive is known by: a tar names itself at byte 257."""

_CHUNK: Final = 1 << 20
_PAGES: Final = (b"<!doctype", b"<html", b"<?xml", b"<head", b"<script")


class Mismatch(Exception):  # noqa: N818 - always caught here, never shown as it is
    """A file that is not the archive, in words."""


@dataclass(frozen=True, slots=True)
class Digests:
    """What was found when a file was read; checksums are hexadecimal, by hashlib's name."""

    size: int
    mtime_ns: int
    checksums: Mapping[str, str]

    def verified(self, url: str, how: How) -> Verified:
        """Return the ledger's entry for the file."""
        return Verified(
            sha256=self.checksums["sha256"],
            size=self.size,
            mtime_ns=self.mtime_ns,
            url=url,
            date=now(),
            how=how,
        )


def read_digests(path: Path, names: Collection[str], moved: Callable[[int], None]) -> Digests:
    """Read a file from end to end; moved hears of the bytes read so far.

    Raises:
        OSError: it cannot be read.
    """
    hashes = {name: hashlib.new(name, usedforsecurity=False) for name in {"sha256", *names}}
    buffer = memoryview(bytearray(_CHUNK))
    status, done = path.stat(), 0
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(buffer):
            for one in hashes.values():
                one.update(buffer[:count])
            done += count
            moved(done)
    found = {name: one.hexdigest() for name, one in hashes.items()}
    return Digests(done, status.st_mtime_ns, found)


def judge(archive: Archive, digests: Digests, ledger: Ledger, *, unverified: bool) -> How:
    """Say what a file was found equal to; unverified accepts any.

    Raises:
        Mismatch: it is not the published archive, nor the one of its first use.
    """
    try:
        return _compare(archive, digests, ledger)
    except Mismatch:
        if not unverified:
            raise
        return "unverified"


def still_good(archive: Archive, known: Verified, ledger: Ledger) -> bool:
    """Return whether what the ledger knows of a file is what is asked for now."""
    if known.how == "unverified":
        return True
    if "sha256" in archive.checksums:
        return known.sha256.startswith(archive.checksums["sha256"].lower())
    if archive.checksums:
        return known.how == "published checksum"
    first = ledger.first_use(archive.name)
    return first is None or first.sha256 == known.sha256


def _compare(archive: Archive, digests: Digests, ledger: Ledger) -> How:
    if archive.size is not None and digests.size != archive.size:
        message = (
            f"it has {digests.size} bytes ({size_text(digests.size)}), the published one has "
            f"{archive.size}"
        )
        raise Mismatch(message)
    for name, expected in archive.checksums.items():
        if not digests.checksums[name].startswith(expected.lower()):
            message = f"its {name} is {digests.checksums[name]}, published is {expected}"
            raise Mismatch(message)
    if archive.checksums:
        return "published checksum"
    known = ledger.first_use(archive.name)
    if known is not None and known.sha256 != digests.checksums["sha256"]:
        raise Mismatch(_not_the_first(digests, known))
    return "first use"


def _not_the_first(digests: Digests, known: FirstUse) -> str:
    return (
        f"its sha256 is {digests.checksums['sha256']}, and was {known.sha256} when it was first "
        f"used on {known.date[:10]} (nobody published one; --unverified takes the new one and "
        "forgets the old)"
    )


def refuse_other_kind(name: str, first: bytes) -> None:
    """Refuse what does not begin like a file of that name.

    Raises:
        Mismatch: it is a web page, or of another kind.
    """
    if first.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(_PAGES):
        message = "a web page in place of the file"
        raise Mismatch(message)
    kinds = [kind for kind in _KINDS if name.lower().endswith(kind)]
    if kinds and not _KINDS[kinds[0]](first):
        message = f"what it sends does not begin like a {kinds[0]} file"
        raise Mismatch(message)


def _is_tar(first: bytes) -> bool:
    """Tell a tar by its first header's checksum, which old tars without a mark have too."""
    if len(first) < FIRST_BYTES:
        return False
    stated = first[148:156].strip(b" \0")
    total = sum(first[:148]) + 8 * 32 + sum(first[156:FIRST_BYTES])
    try:
        return int(stated, 8) == total
    except ValueError:
        return False


_KINDS: Final[dict[str, Callable[[bytes], bool]]] = {
    ".zip": lambda first: first.startswith((b"PK\x03\x04", b"PK\x05\x06")),
    ".gz": lambda first: first.startswith(b"\x1f\x8b"),
    ".tgz": lambda first: first.startswith(b"\x1f\x8b"),
    ".tar": _is_tar,
    ".json": lambda first: first.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"["),
}
