"""A folder for archives, and one for what they unpack to."""

import hashlib
from pathlib import Path
from typing import Final

import pytest

from tests.unit.data.fetch.conftest import Watching, contents
from topformer_cli.data.fetch.tree import Unpacking
from topformer_cli.data.fetch.unpack import unpack_all
from topformer_cli.data.spec import Archive
from topformer_cli.errors import DataError

LIMIT: Final = 1_000_000
"""The most bytes that archives may unpack to here."""


class Place:
    """A folder for archives, and one, with something beside it, for what is unpacked."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.archives = root / "archives"
        self.tree = root / "raw" / "set"
        (root / "raw").mkdir(parents=True)
        self.archives.mkdir()
        (root / "raw" / "secret.txt").write_text("secret")

    def part(self, data: bytes, name: str = "set.zip", folder: str = "") -> Unpacking:
        path = self.archives / name
        path.write_bytes(data)
        archive = Archive(name=name, urls=(), size=None, unpacked=LIMIT, folder=folder)
        return Unpacking(archive, path, hashlib.sha256(data).hexdigest())

    def unpack(self, *parts: Unpacking, watcher: Watching | None = None) -> dict[str, bytes]:
        unpack_all(parts, self.tree, watcher or Watching())
        return contents(self.tree)

    def refuse(self, *parts: Unpacking) -> str:
        """Return why nothing was unpacked, after a look at everything around."""
        before = {one.path: one.path.read_bytes() for one in parts}
        with pytest.raises(DataError) as caught:
            self.unpack(*parts)
        assert names(self.root / "raw") == ["secret.txt"]
        assert (self.root / "raw" / "secret.txt").read_text() == "secret"
        assert names(self.root) == ["archives", "raw"]
        assert {path: path.read_bytes() for path in before} == before
        assert "\n" not in str(caught.value)
        return str(caught.value)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())
