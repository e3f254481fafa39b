"""The book of what was verified and agreed to: <cache>/downloads/ledger.json.

{"version": 1,
 "files": {PATH: {sha256, size, mtime_ns, url, date, how}},     read from end to end, and good
 "first_use": {ARCHIVE: {sha256, url, date}},                   where nobody published a checksum
 "terms": {SET: {text, date}}}                                  accepted by the user

Paths inside the cache are relative to it. A file that changed in size or time is read again.
"""

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

import filelock

from topformer_cli.data.fetch.disk import sweep, writing
from topformer_cli.errors import DataError
from topformer_cli.rundir import write_json

VERSION: Final = 1
_WAIT_S: Final = 30.0
_TABLES: Final = ("files", "first_use", "terms")

Entry = TypeVar("Entry")
How = Literal["published checksum", "first use", "unverified"]
"""What a file was compared with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """A file that was read from end to end; url is where it came from, empty if the user had it."""

    sha256: str
    size: int
    mtime_ns: int
    url: str
    date: str
    how: How


@dataclass(frozen=True, slots=True)
class FirstUse:
    """The content that an archive without a published checksum had when it was first used."""

    sha256: str
    url: str
    date: str


class Ledger:
    """The ledger of a cache; every change is written at once, and other processes may write."""

    def __init__(self, cache_dir: Path) -> None:
        self.cache_dir = cache_dir
        self.path = cache_dir / "downloads" / "ledger.json"

    def verified(self, path: Path) -> Verified | None:
        """Return what is known of a file, None if it was never read or has changed since."""
        entry = self._read()["files"].get(self._key(path))
        if entry is None or not path.is_file():
            return None
        known = self._as(Verified, entry)
        status = path.stat()
        same = (known.size, known.mtime_ns) == (status.st_size, status.st_mtime_ns)
        return known if same else None

    def record(self, path: Path, verified: Verified) -> None:
        """Remember that a file was read and found good."""
        self._set("files", self._key(path), asdict(verified))

    def first_use(self, archive: str) -> FirstUse | None:
        """Return the content that an archive had when it was first used."""
        entry = self._read()["first_use"].get(archive)
        return None if entry is None else self._as(FirstUse, entry)

    def lock(self, archive: str, verified: Verified) -> None:
        """Remember the content of an archive that nobody published a checksum of."""
        entry = FirstUse(verified.sha256, verified.url, verified.date)
        self._set("first_use", archive, asdict(entry))

    def accepted(self, name: str, terms: str) -> bool:
        """Return whether just these terms of a set were accepted."""
        return bool(self._read()["terms"].get(name, {}).get("text") == terms)

    def accept(self, name: str, terms: str) -> None:
        """Remember that the terms of a set were accepted."""
        if not self.accepted(name, terms):
            self._set("terms", name, {"text": terms, "date": now()})

    def _key(self, path: Path) -> str:
        path, cache = path.absolute(), self.cache_dir.absolute()
        return str(path.relative_to(cache) if path.is_relative_to(cache) else path)

    def _set(self, table: str, key: str, entry: dict[str, Any]) -> None:
        with writing(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with filelock.FileLock(self.path.with_name(".ledger.lock"), timeout=_WAIT_S):
                content = self._read()
                content[table][key] = entry
                sweep(self.path)
                write_json(self.path, {"version": VERSION, **content})

    def _read(self) -> dict[str, dict[str, Any]]:
        try:
            content = json.loads(self.path.read_bytes())
            version = content["version"]
            tables = {
                table: {key: dict(entry) for key, entry in content[table].items()}
                for table in _TABLES
            }
        except (FileNotFoundError, NotADirectoryError):
            return {table: {} for table in _TABLES}
        except OSError as error:
            message = f"{self.path} cannot be read ({error.strerror}); check its permissions"
            raise DataError(message) from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(self._damaged()) from error
        if version != VERSION:
            message = f"{self.path} is of version {version}, this topformer knows {VERSION}"
            raise DataError(message)
        return tables

    def _as(self, kind: type[Entry], entry: dict[str, Any]) -> Entry:
        try:
            return kind(**entry)
        except TypeError as error:
            raise DataError(self._damaged()) from error

    def _damaged(self) -> str:
        return (
            f"{self.path} is damaged; remove it: archives are then read and compared again, and "
            "terms asked again"
        )


def now() -> str:
    """Return the local time in ISO form, to the second."""
    return datetime.now().astimezone().isoformat(timespec="seconds")
