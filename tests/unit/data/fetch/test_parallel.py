"""Archives are downloaded side by side, each by one process at a time."""

import dataclasses
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

import filelock
import pytest

from tests.fakes.http_server import Act, Page, Server
from tests.unit.data.fetch.conftest import (
    MakeRequest,
    Watching,
    a_zip,
    archive_of,
    downloads,
    zip_bytes,
)
from topformer_cli.data.fetch.parallel import AT_ONCE
from topformer_cli.data.fetch.steps import fetch
from topformer_cli.data.spec import Archive
from topformer_cli.errors import DataError

DATA = a_zip()


def several(server: Server, count: int, rate: float | None = None) -> list[Archive]:
    """Serve so many archives of other contents."""
    archives = []
    for number in range(count):
        data = zip_bytes({f"{number}.bin": bytes([number]) * 100_000})
        url = server.put(f"{number}.zip", Page(data, rate=rate))
        archives.append(archive_of(data, url, name=f"{number}.zip"))
    return archives


def test_several_archives_come_at_once_and_no_more(server: Server, asked_for: MakeRequest) -> None:
    archives = several(server, 7, rate=500_000)
    running: list[int] = []
    seen: list[tuple[int, int]] = []

    def act(what: str, done: int, total: int) -> None:
        if what == "download":
            seen.append((done, total))
            running.append(sum(one.name.startswith("download ") for one in threading.enumerate()))

    request = asked_for(*archives)
    fetch(request, Watching(act))
    assert downloads(request) == [f"{number}.zip" for number in range(7)]
    assert max(running) == AT_ONCE
    assert len(server.asked) == 7
    total = sum(one.size or 0 for one in archives)
    assert {one for _, one in seen} == {total}
    assert seen[-1] == (total, total)


def test_a_dead_archive_does_not_keep_the_others_from_coming(
    server: Server, asked_for: MakeRequest
) -> None:
    good = several(server, 3, rate=500_000)
    dead = [archive_of(DATA, f"{server.url}/gone/{n}.zip", name=f"gone{n}.zip") for n in "ab"]
    request = asked_for(dead[0], *good, dead[1])
    watcher = Watching()
    with pytest.raises(DataError) as caught:
        fetch(request, watcher)
    assert str(caught.value).startswith("2 archives could not be had:\n  gonea.zip: no source")
    assert "gonea.zip cannot be had; going on with the others" in watcher.warnings
    assert downloads(request) == ["0.zip", "1.zip", "2.zip"]


def test_the_whole_has_no_total_while_a_size_is_unknown(
    server: Server, asked_for: MakeRequest
) -> None:
    url = server.put("set.zip", Page(DATA, length="chunked", rate=500_000))
    unknown = dataclasses.replace(archive_of(DATA, url), size=None)
    totals: set[int] = set()
    fetch(asked_for(unknown), Watching(lambda _, __, total: totals.add(total)))
    assert 0 in totals


def test_an_archive_that_another_process_downloads_is_told(
    server: Server, asked_for: MakeRequest
) -> None:
    request = asked_for(archive_of(DATA, server.put("set.zip", Page(DATA))))
    request.downloads.mkdir(parents=True)
    with (
        filelock.FileLock(request.downloads / ".set.zip.lock"),
        pytest.raises(DataError, match=r"set\.zip is being downloaded by another process; wait"),
    ):
        fetch(request)
    assert server.asked == []
    fetch(request)


def test_a_set_that_another_process_fetches_is_told(server: Server, asked_for: MakeRequest) -> None:
    request = asked_for(archive_of(DATA, server.put("set.zip", Page(DATA))))
    request.tree.parent.mkdir(parents=True)
    with (
        filelock.FileLock(request.tree.with_name(".ade20k.lock")),
        pytest.raises(DataError, match="ade20k is being fetched by another process; wait"),
    ):
        fetch(request)
    assert server.asked == []


def in_the_background(work: Callable[[], object]) -> "tuple[threading.Thread, list[str]]":
    ended: list[str] = []

    def run() -> None:
        try:
            work()
        except DataError as error:
            ended.append(str(error))
        else:
            ended.append("done")

    thread = threading.Thread(target=run)
    thread.start()
    return thread, ended


def test_of_two_fetches_at_once_one_is_refused_and_the_other_completes(
    server: Server, asked_for: MakeRequest
) -> None:
    url = server.put("set.zip", Page(DATA, rate=400_000))
    request = asked_for(archive_of(DATA, url))
    jobs = [in_the_background(lambda: fetch(request)) for _ in range(2)]
    for thread, _ in jobs:
        thread.join()
    ends = sorted(end for _, ended in jobs for end in ended)
    assert ends[0].startswith("ade20k is being fetched by another process")
    assert ends[1] == "done"
    assert len(server.asked) == 1
    assert (request.downloads / "set.zip").read_bytes() == DATA


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_a_stop_is_quick_and_keeps_the_part(
    server: Server, asked_for: MakeRequest, number: signal.Signals
) -> None:
    """The server falls silent, and nobody waits for it."""
    page = Page(DATA, rate=60_000, script=deque([Act(cut=150_000)]))
    request = asked_for(archive_of(DATA, server.put("set.zip", page)))
    patience = dataclasses.replace(request.patience, read_s=60.0)
    request = dataclasses.replace(request, patience=patience)
    part = request.downloads / "set.zip.part"
    stopped: list[float] = []

    def stop(*_: object) -> None:
        if part.exists() and part.stat().st_size and not stopped:
            stopped.append(time.monotonic())
            os.kill(os.getpid(), number)

    def raising(*_: object) -> None:
        raise SystemExit(143)

    before = signal.signal(signal.SIGTERM, raising)
    try:
        with pytest.raises((KeyboardInterrupt, SystemExit)):
            fetch(request, Watching(stop))
    finally:
        signal.signal(signal.SIGTERM, before)
    assert time.monotonic() - stopped[0] < 3
    kept = Path(part).read_bytes()
    assert DATA.startswith(kept)
    assert kept
    page.rate = None
    time.sleep(0.2)
    while True:
        try:
            fetch(request)
        except DataError as error:  # the old thread ends with the next bytes that it hears of
            assert "is being downloaded by another process" in str(error)  # noqa: PT017
            time.sleep(0.1)
        else:
            break
    assert (request.downloads / "set.zip").read_bytes() == DATA
