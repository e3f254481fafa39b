"""Downloads several archives at once and shows them as one."""

import concurrent.futures
import queue
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import Final

from topformer_cli.data.fetch.disk import DiskError
from topformer_cli.data.fetch.download import download
from topformer_cli.data.fetch.ledger import Ledger, Verified
from topformer_cli.data.fetch.request import Watcher
from topformer_cli.data.fetch.wanted import Cancelled, Wanted
from topformer_cli.errors import DataError

AT_ONCE: Final = 3
"""Downloads at the same time, of one connection each: more would be rude to small servers."""

_LOOK_S: Final = 0.1
_END_S: Final = 1.0
Futures = Mapping[str, "Future[Verified]"]


def download_all(
    wanted: Sequence[Wanted], ledger: Ledger, stop: threading.Event, watcher: Watcher
) -> dict[str, Verified]:
    """Download archives side by side and return what was verified, by archive name.

    One that no source has does not keep the others from being completed.

    Raises:
        DataError: an archive could not be had; every one is named.
        DiskError: the disk takes no more; all have stopped.
    """
    futures: dict[str, Future[Verified]] = {one.archive.name: Future() for one in wanted}
    waiting: queue.SimpleQueue[Wanted] = queue.SimpleQueue()
    for one in wanted:
        waiting.put(one)
    # Daemons, not a pool: a pool's threads would hold up the end of the program for as long as a
    # silent server does. Parts are right at any moment.
    threads = [
        threading.Thread(
            target=_work, args=(waiting, futures, ledger), name=f"download {number}", daemon=True
        )
        for number in range(min(AT_ONCE, len(wanted)))
    ]
    for thread in threads:
        thread.start()
    try:
        _follow(wanted, futures, watcher)
    finally:
        stop.set()
        for thread in threads:
            thread.join(_END_S)
    return _outcome(futures)


def _work(waiting: "queue.SimpleQueue[Wanted]", futures: Futures, ledger: Ledger) -> None:
    while True:
        try:
            one = waiting.get_nowait()
        except queue.Empty:
            return
        future = futures[one.archive.name]
        try:
            if one.track.stop.is_set():
                raise Cancelled
            future.set_result(download(one, ledger))
        except BaseException as error:  # noqa: BLE001 - raised again where the result is asked for
            future.set_exception(error)


def _follow(wanted: Sequence[Wanted], futures: Futures, watcher: Watcher) -> None:
    """Show progress until all are done, or the disk is full."""
    pending = set(futures.values())
    while pending:
        done, pending = concurrent.futures.wait(
            pending, _LOOK_S, return_when=concurrent.futures.FIRST_COMPLETED
        )
        _show(wanted, futures, watcher)
        for error in filter(None, (one.exception() for one in done)):
            if isinstance(error, DiskError) or not isinstance(error, DataError):
                return
            if pending:
                watcher.warn(f"{_name_of(error, futures)} cannot be had; going on with the others")


def _name_of(error: BaseException, futures: Futures) -> str:
    return next(n for n, one in futures.items() if one.done() and one.exception() is error)


def _show(wanted: Sequence[Wanted], futures: Futures, watcher: Watcher) -> None:
    for one in wanted:
        while not one.track.notes.empty():
            watcher.note(one.track.notes.get())
    tracks = [one.track for one in wanted]
    known = all(track.total for track in tracks)
    total = sum(track.total or 0 for track in tracks) if known else 0
    finished = sum(futures[track.name].done() for track in tracks)
    words = [f"{finished}/{len(tracks)} archives"] if len(tracks) > 1 else []
    words += [
        f"reading {track.name} back, {track.checked / max(track.done, 1):.0%}"
        for track in tracks
        if track.checked is not None and not futures[track.name].done()
    ]
    watcher.progress("download", sum(track.done for track in tracks), total, ", ".join(words))


def _outcome(futures: Futures) -> dict[str, Verified]:
    """Return the results, or raise what kept them from being there: the disk before all else."""
    errors = {
        name: error
        for name, one in futures.items()
        if one.done() and (error := one.exception()) is not None
    }
    for error in errors.values():
        if not isinstance(error, DataError | Cancelled) or isinstance(error, DiskError):
            raise error
    told = [str(error) for error in errors.values() if isinstance(error, DataError)]
    if told:
        several = f"{len(told)} archives could not be had:" + "".join(f"\n  {one}" for one in told)
        raise DataError(told[0] if len(told) == 1 else several)
    return {name: one.result() for name, one in futures.items()}
