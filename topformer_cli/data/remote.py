"""Uses a prepared set that lies elsewhere: its shards are copied when they are first needed.

<cache>/remote/<fingerprint>-<hash of its list of shards>/   a prepared set, as far as it was needed
<cache>/remote/urls/<hash of an address>                     the folder that the address led to last

A shard gets its name when it is whole and its contents are what the card's fingerprint was made
from. Any number of processes may do this at the same time. A set that is prepared again has other
shards, so it gets a folder of its own.
"""

import contextlib
import hashlib
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import filelock
import pyarrow as pa

from topformer_cli.data.card import CARD_NAME, DatasetCard, parse_card, read_card
from topformer_cli.data.describe import fingerprint
from topformer_cli.data.fetch.disk import require_space, sweep, writing
from topformer_cli.data.forms.table import FORMS
from topformer_cli.data.origins import Origin, UnreachableError, open_origin
from topformer_cli.data.shards import (
    STATE_NAME,
    Listed,
    content_digest,
    parse_list,
    read_table,
)
from topformer_cli.data.spec import Task
from topformer_cli.data.threads import at_once
from topformer_cli.errors import DataError
from topformer_cli.rundir import atomic_path, atomic_write

AT_ONCE: Final = 8
"""Shards that are copied at the same time."""

_TRIES: Final = 3
_PAUSE_S: Final = 0.5
_EXTRAS: Final = ("dataset_dict.json",)
_SPLIT_EXTRAS: Final = ("dataset_info.json", STATE_NAME)


class DamagedError(DataError):
    """What arrived is not what the set's card describes."""


@dataclass(frozen=True, slots=True)
class RemoteSet:
    """A prepared set elsewhere: its address, and the folder of its copy.

    note says that the address could not be reached.
    """

    url: str
    folder: Path
    task: Task
    note: str = ""

    def bring(self, split: str, listed: Listed) -> Path:
        """Return the copy of a shard, made now if it is not there.

        Raises:
            UnreachableError: it is not there, and the address cannot be asked.
            DataError: the address has another set now, or the disk is full.
        """
        path = self.folder / split / listed.file
        if _is_whole(path, listed):
            return path
        lock = path.with_name(f".{path.name}.lock")
        with writing(path), filelock.FileLock(lock):
            if not _is_whole(path, listed):
                self._copy_patiently(path, listed)
            lock.unlink(missing_ok=True)
        return path

    def bring_all(
        self,
        lists: Mapping[str, Sequence[Listed]],
        progress: Callable[[int, int], None] = lambda _done, _total: None,
    ) -> None:
        """Make the copies of splits whole; progress is called with bytes done and bytes in all."""
        wanted = [(split, one) for split, listed in lists.items() for one in listed]
        missing = [
            (split, one)
            for split, one in wanted
            if not _is_whole(self.folder / split / one.file, one)
        ]
        if not missing:
            return
        total = sum(one.bytes for _, one in wanted)
        needed = sum(one.bytes for _, one in missing)
        require_space(self.folder, needed, f"the copy of {self.url}")
        done = total - needed
        for _, one in at_once(missing, lambda job: self.bring(*job), AT_ONCE):
            done += one.bytes
            progress(done, total)

    def _copy_patiently(self, path: Path, listed: Listed) -> None:
        for attempt in range(1, _TRIES):
            with contextlib.suppress(UnreachableError, DamagedError):
                self._copy(path, listed)
                return
            time.sleep(_PAUSE_S * attempt)
        self._copy(path, listed)

    def _copy(self, path: Path, listed: Listed) -> None:
        origin = open_origin(self.url)
        assert not isinstance(origin, Path)
        sweep(path)
        sweep(path.with_suffix(".json"))
        name = f"{path.parent.name}/{path.name}"
        facts = origin.read(f"{path.parent.name}/{path.stem}.json")
        with atomic_path(path) as temporary:
            origin.save(name, temporary)
            self._verify(temporary, name, listed)
            atomic_write(path.with_suffix(".json"), facts)

    def _verify(self, path: Path, name: str, listed: Listed) -> None:
        length = path.stat().st_size
        if length == listed.bytes and _digest(path, self.task) == listed.digest:
            return
        message = (
            f"{self.url}/{name} is not what the set's card describes ({length} of {listed.bytes} "
            "bytes): it is being copied or changed there; try again when that is done"
        )
        raise DamagedError(message)


def open_remote(url: str, cache_dir: Path) -> RemoteSet | Path:
    """Find the set at an address, and the folder of its copy, in which the card is.

    An address that leads to this machine gives the folder itself. Where the address cannot be
    reached, the copy that it led to last is as good.

    Raises:
        UsageError: it is no address that anybody knows.
        UnreachableError: it cannot be asked, and there is no copy.
        DataError: there is no prepared set, it may not be read, or it is being changed.
    """
    scheme, _, path = url.partition("://")
    url = f"{scheme}://{path.rstrip('/')}"
    origin = open_origin(url)
    if isinstance(origin, Path):
        return origin
    place = hashlib.sha256(url.encode()).hexdigest()[:32]
    link = cache_dir / "remote" / "urls" / place
    try:
        folder = _described(origin, url, cache_dir / "remote")
    except UnreachableError as error:
        with contextlib.suppress(OSError, DataError):
            folder = cache_dir / "remote" / link.read_text()
            return RemoteSet(url, folder, read_card(folder).task, note=f"{error}; took its copy")
        raise
    with writing(link):
        atomic_write(link, folder.name)
    return RemoteSet(url, folder, read_card(folder).task)


def _described(origin: Origin, url: str, copies: Path) -> Path:
    """Return the folder of the copy, with everything in it but shards."""
    text = origin.read(CARD_NAME)
    card = parse_card(text, f"{url}/{CARD_NAME}")
    for split in card.splits:
        if not re.fullmatch(r"[A-Za-z0-9][\w-]*", split):
            message = f"{url}/{CARD_NAME} is damaged: {split!r} is no split's name"
            raise DataError(message)
    names = [f"{split}/{name}" for split in card.splits for name in _SPLIT_EXTRAS]
    files = {name: origin.read(name) for name in (*_EXTRAS, *names)}
    _require_agreement(card, files, url)
    key = hashlib.sha256(b"\1".join(files.values())).hexdigest()
    folder = copies / f"{card.fingerprint[:16]}-{key[:16]}"
    with writing(folder):
        if not _has(folder / CARD_NAME, text):
            for name, content in files.items():
                atomic_write(folder / name, content)
            atomic_write(folder / CARD_NAME, text)
    return folder


def _require_agreement(card: DatasetCard, files: Mapping[str, bytes], url: str) -> None:
    """Check that the lists of shards are those that the card was written for."""
    try:
        lists = {split: parse_list(files[f"{split}/{STATE_NAME}"]) for split in card.splits}
    except ValueError as error:
        message = f"{url} is damaged ({error}); prepare the set again and copy it there anew"
        raise DataError(message) from error
    digests = [(split, one.digest) for split, listed in lists.items() for one in listed]
    if fingerprint(card.classes, card.id_map, digests) != card.fingerprint:
        message = (
            f"{url} has shards of another set than its card describes: it is being copied or "
            "changed there; try again when that is done"
        )
        raise DamagedError(message)


def _has(path: Path, content: bytes) -> bool:
    try:
        return path.read_bytes() == content
    except FileNotFoundError:
        return False


def _is_whole(path: Path, listed: Listed) -> bool:
    try:
        return path.stat().st_size == listed.bytes
    except FileNotFoundError:
        return False


def _digest(path: Path, task: Task) -> str:
    """Return the SHA-256 of a shard's contents; of a damaged file what is none."""
    form = FORMS[task]
    try:
        table = read_table(path)
        rows = (table.slice(index, 1).to_pylist()[0] for index in range(table.num_rows))
        return content_digest((r["id"], r["image"]["bytes"], form.signature(r)) for r in rows)
    except (pa.ArrowException, OSError, KeyError, TypeError, ValueError) as error:
        return f"unreadable: {error}"
