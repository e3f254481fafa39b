"""Fetches one published file by itself, as the archives of a set are fetched."""

import threading
from dataclasses import dataclass
from pathlib import Path

from topformer_cli.data.fetch.gather import FetchedArchive
from topformer_cli.data.fetch.ledger import Ledger, Verified
from topformer_cli.data.fetch.parallel import download_all
from topformer_cli.data.fetch.part import Part
from topformer_cli.data.fetch.request import USUAL, Patience, Watcher
from topformer_cli.data.fetch.track import Track
from topformer_cli.data.fetch.verify import Mismatch, judge, read_digests, still_good
from topformer_cli.data.fetch.wanted import Wanted
from topformer_cli.data.spec import Archive
from topformer_cli.errors import DataError


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRequest:
    """A published file; given is the user's own copy, remedy what to do where nobody has it.

    unverified accepts another content than the published one, or than that of the first use.
    """

    archive: Archive
    cache_dir: Path
    remedy: str
    given: Path | None = None
    unverified: bool = False
    patience: Patience = USUAL


def fetch_file(request: FileRequest, watcher: Watcher) -> FetchedArchive:
    """Return the file, verified; it is downloaded where it is not there.

    Raises:
        DataError: nobody has it, it is not the one it should be, or the disk takes no more.
    """
    ledger = Ledger(request.cache_dir)
    path = request.given or request.cache_dir / "downloads" / request.archive.name
    if path.is_file():
        verified = _read(path, request, ledger, watcher)
    elif request.archive.urls:
        verified = _downloaded(path, request, ledger, watcher)
    else:
        message = f"{request.archive.name} is not to be had by a program: {request.remedy}"
        raise DataError(message)
    return FetchedArchive(request.archive, path, verified)


def _read(path: Path, request: FileRequest, ledger: Ledger, watcher: Watcher) -> Verified:
    """Verify a file that is there; one that the ledger knows is not read again."""
    known = ledger.verified(path)
    if known is not None and still_good(request.archive, known, ledger):
        return known
    size = path.stat().st_size
    try:
        digests = read_digests(
            path, request.archive.checksums, lambda done: watcher.progress("verify", done, size)
        )
        how = judge(request.archive, digests, ledger, unverified=request.unverified)
    except OSError as error:
        message = f"{path} cannot be read ({error.strerror}); check the file, its permissions"
        raise DataError(message) from error
    except Mismatch as wrong:
        message = (
            f"{path} is not the published {request.archive.name}: {wrong}; give the right one, or "
            "take it as it is with --unverified"
        )
        raise DataError(message) from wrong
    verified = digests.verified("", how)
    ledger.record(path, verified)
    return verified


def _downloaded(path: Path, request: FileRequest, ledger: Ledger, watcher: Watcher) -> Verified:
    stop, archive, part = threading.Event(), request.archive, Part(path)
    wanted = Wanted(
        archive=archive,
        urls=archive.urls,
        part=part,
        patience=request.patience,
        unverified=request.unverified,
        track=Track(archive.name, stop, archive.size, part.size),
        remedy=request.remedy,
    )
    return download_all([wanted], ledger, stop, watcher)[archive.name]
