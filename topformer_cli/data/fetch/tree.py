"""Writes the members of archives below one folder, and nowhere else."""

import contextlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from topformer_cli.data.fetch.disk import writing
from topformer_cli.data.fetch.members import MOST_MEMBERS, Member, read_members
from topformer_cli.data.spec import Archive
from topformer_cli.errors import DataError

_LONGEST_NAME: Final = 255
_WRONG_KINDS: Final = {
    "device": "is a device, a pipe or a socket",
    "encrypted": "is encrypted",
    "unknown": "is compressed or stored in a way that no data set uses",
}


@dataclass(frozen=True, slots=True)
class Unpacking:
    """An archive, where it lies, and the SHA-256 that it was found to have."""

    archive: Archive
    path: Path
    sha256: str

    def inside(self, parts: tuple[str, ...]) -> str:
        """Return a member's path below the tree."""
        return "/".join((*self.archive.folder.strip("/").split("/"), *parts)).strip("/")


@dataclass(slots=True)
class Tree:
    """The tree that is being filled.

    files has the archive that each path came from. Links are made last and count as files, so
    that nothing is ever written through one. twice are lines for the user.
    """

    root: Path
    files: dict[str, str] = field(default_factory=dict)
    folders: set[str] = field(default_factory=lambda: {""})
    links: list[Path] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)

    def add(self, one: Unpacking) -> Iterator[int]:
        """Unpack an archive; yields how far into it, in bytes.

        Raises:
            DataError: a member would be written elsewhere or is nothing that a data set has; or the
                archive is damaged, empty, or larger than announced.
            DiskError: the disk takes no more.
        """
        count = total = kept = 0
        links: list[tuple[str, Member]] = []
        for member in read_members(one.path, one.archive.unpacked):
            count, total = count + 1, total + max(0, member.size)
            if count > MOST_MEMBERS or total > one.archive.unpacked:
                raise DataError(_too_much(one, member, count, total))
            parts = _place(one, member)
            if not parts:
                continue
            path = one.inside(parts)
            if member.kind in ("symlink", "hardlink"):
                links.append((path, member))
            elif member.kind == "folder":
                self._make_folder(one, member, path)
            else:
                self._write(one, member, path)
            kept += member.kind != "folder"
            yield member.position
        if not kept:
            message = f"{one.path} is an empty archive; remove it and fetch it again"
            raise DataError(message)
        for path, member in links:
            self._link(one, member, path)
        self._check_links()

    def add_link(self, one: Unpacking) -> None:
        """Link an archive that is used as it is."""
        folder = self.root / one.inside(())
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            (folder / one.archive.name).symlink_to(one.path.resolve())

    def _check_links(self) -> None:
        """Refuse links that leave the tree, now that everything they may lead over is there."""
        root = os.path.realpath(self.root)
        for link in self.links:
            if not Path(os.path.realpath(link)).is_relative_to(root):
                message = (
                    f"{link.relative_to(self.root)} links to {str(link.readlink())!r}, out of the "
                    "tree; nothing was kept"
                )
                raise DataError(message)

    def _write(self, one: Unpacking, member: Member, path: str) -> None:
        if not self._is_new(one, member, path):
            return
        self._make_folder(one, member, path.rpartition("/")[0])
        target = self.root / path
        written = 0
        with writing(target), _created(target, one, member) as handle:
            for chunk in member.chunks():
                written += len(chunk)
                if written > member.size:
                    raise _unsafe(one, member, f"has more than its {member.size} bytes")
                _write_all(handle, chunk)
            # The same archive makes the same tree: prepare goes by dates.
            os.utime(handle, (member.mtime, member.mtime))
        if written < member.size:
            raise _unsafe(one, member, f"ends after {written} of {member.size} bytes")
        self.files[path] = one.archive.name

    def _is_new(self, one: Unpacking, member: Member, path: str) -> bool:
        owner = self.files.get(path)
        if owner == one.archive.name or path in self.folders:
            raise _unsafe(one, member, "collides with another member")
        if owner is not None:
            self.twice.append(f"{path} is in {owner} and in {one.archive.name}; the first is kept")
        return owner is None

    def _make_folder(self, one: Unpacking, member: Member, path: str) -> None:
        if path in self.folders:
            return
        self._make_folder(one, member, path.rpartition("/")[0])
        if path in self.files:
            raise _unsafe(one, member, f"needs the folder {path!r}, which is a file")
        with writing(self.root / path):
            (self.root / path).mkdir(exist_ok=True)
        self.folders.add(path)

    def _link(self, one: Unpacking, member: Member, path: str) -> None:
        if not self._is_new(one, member, path):
            return
        self._make_folder(one, member, path.rpartition("/")[0])
        place = self.root / path
        if member.kind == "symlink":
            if not member.target or member.target.startswith("/") or "\0" in member.target:
                raise _unsafe(one, member, f"links to {member.target!r}, out of the tree")
            with writing(place):
                place.symlink_to(member.target)
            self.links.append(place)
        else:
            target = one.inside(_parts(one, member, member.target))
            if self.files.get(target) != one.archive.name or (self.root / target).is_symlink():
                raise _unsafe(one, member, f"is a link to {member.target!r}, which is no member")
            with writing(place):
                place.hardlink_to(self.root / target)
        self.files[path] = one.archive.name


def _place(one: Unpacking, member: Member) -> tuple[str, ...]:
    """Return where a member goes below its archive's folder; nothing for what is left out.

    Raises:
        DataError: it has no place inside the tree, or is nothing that a data set has.
    """
    parts = _parts(one, member, member.name)
    if member.size < 0:
        raise _unsafe(one, member, f"has a size of {member.size}")
    if member.kind in _WRONG_KINDS:
        raise _unsafe(one, member, _WRONG_KINDS[member.kind])
    if not parts:
        if member.kind != "folder":
            raise _unsafe(one, member, "has no name")
        return ()
    # What macOS leaves in archives (RFC 1740) would be taken for pictures.
    litter = parts[0] == "__MACOSX" or parts[-1] == ".DS_Store" or parts[-1].startswith("._")
    return () if litter else parts


def _parts(one: Unpacking, member: Member, name: str) -> tuple[str, ...]:
    """Return the components of a name that stays inside the tree; none for the tree itself."""
    if name.startswith("/") or re.match(r"[A-Za-z]:", name):
        raise _unsafe(one, member, "has an absolute name")
    if "\\" in name or "\0" in name:
        raise _unsafe(one, member, "has a backslash or a zero in its name")
    parts = tuple(part for part in name.split("/") if part not in ("", "."))
    if ".." in parts:
        raise _unsafe(one, member, "would be written out of the tree")
    if any(len(os.fsencode(part)) > _LONGEST_NAME for part in parts):
        raise _unsafe(one, member, f"has a name of more than {_LONGEST_NAME} bytes")
    return parts


def _unsafe(one: Unpacking, member: Member, reason: str) -> DataError:
    name = member.name if len(member.name) <= 200 else f"{member.name[:200]}..."
    message = (
        f"{one.path}: member {name!r} {reason}; nothing was unpacked, and the archive lies where "
        "it was"
    )
    return DataError(message)


def _too_much(one: Unpacking, member: Member, count: int, total: int) -> str:
    what = f"{count} members" if count > MOST_MEMBERS else f"{total} bytes"
    return (
        f"{one.path}: with member {member.name[:200]!r} it has {what}, and {one.archive.name} has "
        f"at most {one.archive.unpacked} bytes; it is not that archive"
    )


@contextlib.contextmanager
def _created(target: Path, one: Unpacking, member: Member) -> Iterator[int]:
    """Create a file that was not there, behind no link, and yield its descriptor."""
    try:
        handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    except FileExistsError as error:
        raise _unsafe(one, member, "collides with another member") from error
    try:
        yield handle
    finally:
        os.close(handle)


def _write_all(handle: int, chunk: bytes) -> None:
    rest = memoryview(chunk)
    while rest:
        rest = rest[os.write(handle, rest) :]
