"""Brings every archive of a set together: what is there is verified, the rest downloaded."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from topformer_cli.data.fetch.disk import require_space
from topformer_cli.data.fetch.ledger import Ledger, Verified
from topformer_cli.data.fetch.parallel import download_all
from topformer_cli.data.fetch.part import Part
from topformer_cli.data.fetch.plan import ArchivePlan, FetchPlan, by_hand
from topformer_cli.data.fetch.request import FetchRequest, Watcher
from topformer_cli.data.fetch.track import Track
from topformer_cli.data.fetch.verify import Digests, Mismatch, judge, read_digests, still_good
from topformer_cli.data.fetch.wanted import Wanted
from topformer_cli.data.spec import Archive
from topformer_cli.errors import DataError
from topformer_cli.units import size_text


@dataclass(frozen=True, slots=True)
class FetchedArchive:
    """An archive of a set, where it lies, and what it was found to be."""

    archive: Archive
    path: Path
    verified: Verified


def gather(plan: FetchPlan, ledger: Ledger, watcher: Watcher) -> tuple[FetchedArchive, ...]:
    """Return every archive of the set, verified; download those that are not there.

    Raises:
        DataError: one cannot be had or is not the one it should be, or the disk takes no more.
    """
    what = (
        f"download {size_text(plan.download)}, unpacking up to {size_text(plan.unpacking)}, "
        f"prepared form about {size_text(plan.preparing)}"
    )
    require_space(plan.request.cache_dir, plan.needed, what)
    found = _read(plan, ledger, watcher)
    if absent := [one for one in plan.archives if not one.is_there]:
        found |= _download(absent, plan.request, ledger, watcher)
    return tuple(
        FetchedArchive(one.archive, one.path, found[one.archive.name]) for one in plan.archives
    )


def _read(plan: FetchPlan, ledger: Ledger, watcher: Watcher) -> dict[str, Verified]:
    """Verify the archives that are there; those that the ledger knows are not read again."""
    found: dict[str, Verified] = {}
    unread: list[ArchivePlan] = []
    for one in plan.archives:
        known = ledger.verified(one.path) if one.is_there else None
        if known is not None and still_good(one.archive, known, ledger):
            found[one.archive.name] = known
        elif one.is_there:
            unread.append(one)
    total, before = sum(one.have for one in unread), 0
    for one in unread:
        digests = _digests(one, _counting(watcher, one.archive.name, before, total))
        try:
            how = judge(one.archive, digests, ledger, unverified=plan.request.unverified)
        except Mismatch as wrong:
            raise DataError(_not_it(one, wrong)) from wrong
        found[one.archive.name] = digests.verified("", how)
        ledger.record(one.path, found[one.archive.name])
        before += one.have
    return found


def _counting(watcher: Watcher, name: str, before: int, total: int) -> Callable[[int], None]:
    return lambda count: watcher.progress("verify", before + count, total, name)


def _digests(one: ArchivePlan, moved: Callable[[int], None]) -> Digests:
    try:
        return read_digests(one.path, one.archive.checksums, moved)
    except OSError as error:
        message = f"{one.path} cannot be read ({error.strerror}); check the file, its permissions"
        raise DataError(message) from error


def _not_it(one: ArchivePlan, wrong: Mismatch) -> str:
    remedy = "give the right one" if one.state == "yours" else "remove it to download it again"
    return (
        f"{one.path} is not the published {one.archive.name}: {wrong}; {remedy}, or take it as it "
        "is with --unverified"
    )


def _download(
    absent: Sequence[ArchivePlan], request: FetchRequest, ledger: Ledger, watcher: Watcher
) -> dict[str, Verified]:
    stop = threading.Event()
    wanted = [
        Wanted(
            archive=one.archive,
            urls=one.sources,
            part=Part(one.path),
            patience=request.patience,
            unverified=request.unverified,
            track=Track(one.archive.name, stop, one.archive.size, one.have),
            remedy=by_hand(request, one.archive),
        )
        for one in absent
    ]
    return download_all(wanted, ledger, stop, watcher)
