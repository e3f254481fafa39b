"""Downloads one archive: every source in order, again and again where that may help."""

from pathlib import Path
from urllib.parse import urlsplit

import requests

from topformer_cli.data.fetch.disk import writing
from topformer_cli.data.fetch.http import new_session, receive
from topformer_cli.data.fetch.ledger import Ledger, Verified
from topformer_cli.data.fetch.locks import held
from topformer_cli.data.fetch.verify import Mismatch, judge, read_digests
from topformer_cli.data.fetch.wanted import (
    Broken,
    Cancelled,
    Changed,
    Refused,
    Wanted,
    same_place,
)
from topformer_cli.errors import DataError


def download(wanted: Wanted, ledger: Ledger) -> Verified:
    """Download an archive, go on where a part of it is there, and compare it with what is known.

    Raises:
        DataError: no address has it, the message names the reason of each and what else can be
            done; or another process is downloading it.
        DiskError: the disk takes no more; the part is kept.
        Cancelled: the stop event was set; the part is kept.
    """
    part = wanted.part
    with held(part.whole, f"{wanted.archive.name} is being downloaded"), new_session() as session:
        if part.whole.exists():
            return _from_another(wanted, ledger)
        reasons = []
        for url in _begun_first(wanted):
            try:
                return _from_source(wanted, ledger, url, session)
            except Refused as no:
                reasons.append(f"{_label(url, wanted.urls)}: {no}")
                if len(reasons) < len(wanted.urls):
                    wanted.track.note(f"{reasons[-1]}; trying the next source")
    message = f"{wanted.archive.name}: no source has it ({'; '.join(reasons)}); {wanted.remedy}"
    raise DataError(message)


def _from_another(wanted: Wanted, ledger: Ledger) -> Verified:
    """Take the file that another process completed a moment ago."""
    try:
        return ledger.verified(wanted.part.whole) or _compared(
            wanted, ledger, wanted.part.whole, ""
        )
    except Mismatch as wrong:
        message = f"{wanted.part.whole} is not the published archive: {wrong}; remove it"
        raise DataError(message) from wrong


def _begun_first(wanted: Wanted) -> list[str]:
    """Return the sources in order, but first the one that the part came from."""
    origin = wanted.part.origin()
    if origin is None or not wanted.part.size:
        return list(wanted.urls)
    return sorted(wanted.urls, key=lambda url: not same_place(url, origin.url))


def _label(url: str, among: tuple[str, ...]) -> str:
    """Return a source's host, with what tells it from the others where that is needed."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2] or url
    if sum(urlsplit(one).netloc == parts.netloc for one in among) < 2:
        return host
    return f"{parts.scheme}://{host}"


def _from_source(wanted: Wanted, ledger: Ledger, url: str, session: requests.Session) -> Verified:
    """Receive the whole file and take it, if it is the archive.

    Raises:
        Refused: this source does not have it.
    """
    in_one_go = _receive_all(wanted, url, session)
    try:
        return _take(wanted, ledger, url)
    except Mismatch as wrong:
        if in_one_go:
            raise Refused(str(wrong)) from wrong
    # Pieces of different contents make neither; a whole file from one source decides.
    wanted.track.note("its pieces do not fit together; downloading it again from the beginning")
    _receive_all(wanted, url, session)
    try:
        return _take(wanted, ledger, url)
    except Mismatch as wrong:
        raise Refused(str(wrong)) from wrong


def _receive_all(wanted: Wanted, url: str, session: requests.Session) -> bool:
    """Ask until the part is whole; return whether one answer brought it all."""
    if wanted.is_whole:
        return False
    failures, furthest, reached, in_one_go = 0, wanted.part.size, False, True
    while True:
        try:
            return receive(wanted, url, session) and in_one_go
        except Changed:
            wanted.track.note("it has changed on the server; starting again")
            wanted.part.discard()
        except Broken as trouble:
            in_one_go = False
            reached = reached or trouble.reached
            if wanted.part.size > furthest:
                failures, furthest = 0, wanted.part.size
            failures += 1
            _pause(wanted, trouble, failures, reached=reached)


def _pause(wanted: Wanted, trouble: Broken, failures: int, *, reached: bool) -> None:
    """Wait for as long as the server asks for, else longer every time.

    Raises:
        Refused: it was asked often enough.
        Cancelled: the stop came first.
    """
    patience = wanted.patience
    if failures >= (patience.tries if reached else patience.first_tries):
        raise Refused(str(trouble)) from trouble
    pause = min(patience.pause_s * 2 ** (failures - 1), patience.longest_s)
    if trouble.pause_s is not None:
        pause = trouble.pause_s
        if pause > patience.longest_s:
            message = f"{trouble}, asks to wait {pause:.0f} s"
            raise Refused(message) from trouble
    wanted.track.note(f"{trouble}; asking again in {pause:.0f} s")
    if wanted.track.wait(pause):
        raise Cancelled


def _take(wanted: Wanted, ledger: Ledger, url: str) -> Verified:
    """Compare the whole part and give it its name; the ledger knows it before that.

    Raises:
        Mismatch: it is not the archive; it was put aside.
    """
    part = wanted.part
    origin = part.origin()
    try:
        verified = _compared(wanted, ledger, part.path, origin.url if origin else url)
    except Mismatch:
        aside = part.reject()
        wanted.track.note(f"not the published archive; kept as {aside}, you may delete it")
        raise
    ledger.record(part.whole, verified)
    part.complete()
    return verified


def _compared(wanted: Wanted, ledger: Ledger, path: Path, url: str) -> Verified:
    """Read a whole file back from the disk and compare it.

    Raises:
        Mismatch: it is not the archive.
    """
    track = wanted.track

    def moved(count: int) -> None:
        if track.stop.is_set():
            raise Cancelled
        track.checked = count

    with writing(path):
        digests = read_digests(path, wanted.archive.checksums, moved)
    how = judge(wanted.archive, digests, ledger, unverified=wanted.unverified)
    return digests.verified(url, how)
