"""A prepared set elsewhere is used from there: lazily, verified, offline, by many at once."""

import dataclasses
import json
import multiprocessing
import pickle
import shutil
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import fsspec
import numpy as np
import pytest

from tests.fakes.disk import files_end_at
from tests.fakes.http_server import Act, Page, Server, serving
from tests.fakes.pictures import make_custom, write_png
from tests.fakes.served_set import publish
from topformer_cli.data import convert, remote
from topformer_cli.data.card import prepared_path
from topformer_cli.data.origins import UnreachableError
from topformer_cli.data.prepare import prepare
from topformer_cli.data.remote import DamagedError
from topformer_cli.data.shards import STATE_NAME
from topformer_cli.data.sources.custom import FolderRequest
from topformer_cli.data.store import PreparedSet, Sample
from topformer_cli.errors import DataError

TRAIN, VAL, ROWS = 12, 4, 4
SHARDS = (TRAIN + VAL) // ROWS


@pytest.fixture(scope="module")
def request_(tmp_path_factory: pytest.TempPathFactory) -> FolderRequest:
    request = make_custom(tmp_path_factory.mktemp("remote"), TRAIN, VAL)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(convert, "SHARD_ROWS", ROWS)
        prepare(request)
    return request


@pytest.fixture
def folder(request_: FolderRequest, tmp_path: Path) -> Path:
    """A prepared set of four shards that a test may change."""
    return shutil.copytree(prepared_path(request_.cache_dir, "tiny-set"), tmp_path / "set")


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "own-cache"


@pytest.fixture(autouse=True)
def direct(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy of this machine stands between."""
    monkeypatch.setenv("NO_PROXY", "*")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(remote, "_PAUSE_S", 0.0)
    with serving() as running:
        yield running


def contents(prepared: PreparedSet) -> list[Sample]:
    return [
        prepared.sample(split, index)
        for split in prepared.card.counts
        for index in range(prepared.length(split))
    ]


def shards_asked(server: Server) -> list[str]:
    return [one.path for one in server.asked if one.path.endswith(".arrow")]


def arrows(cache: Path) -> list[Path]:
    return sorted(cache.rglob("*.arrow"))


def first_arrow(folder: Path) -> Path:
    return min((folder / "train").glob("*.arrow"))


def served_arrow(server: Server, folder: Path) -> Page:
    return server.pages[f"/sets/tiny/train/{first_arrow(folder).name}"]


def test_a_set_in_memory_is_the_same(folder: Path, cache: Path) -> None:
    memory = fsspec.filesystem("memory")
    memory.put(str(folder), "/bucket/a set", recursive=True)
    try:
        found = PreparedSet.open("memory://bucket/a set/", cache)
        assert found.card == PreparedSet.open(folder, cache).card
        assert contents(found) == contents(PreparedSet.open(folder, cache))
        assert found.ids("val") == [f"val_{number:04d}" for number in range(VAL)]
    finally:
        memory.rm("/bucket", recursive=True)


def test_an_address_of_this_machine_is_used_in_place(folder: Path, cache: Path) -> None:
    found = PreparedSet.open(folder.as_uri(), cache)
    assert found.path == folder
    assert contents(found) == contents(PreparedSet.open(folder, cache))
    assert not cache.exists()


def test_a_shard_is_fetched_when_it_is_needed(server: Server, folder: Path, cache: Path) -> None:
    found = PreparedSet.open(publish(server, folder), cache)
    assert (found.length("train"), found.length("val")) == (TRAIN, VAL)
    assert shards_asked(server) == []
    found.sample("train", 5)
    found.sample("train", 6)
    assert shards_asked(server) == [f"/sets/tiny/train/{arrows(folder)[1].name}"]
    assert len(arrows(cache)) == 1


def test_all_is_fetched_at_once_and_stays(server: Server, folder: Path, cache: Path) -> None:
    url = publish(server, folder)
    calls: list[tuple[int, int]] = []
    PreparedSet.open(url, cache).complete(lambda done, total: calls.append((done, total)))
    total = sum(path.stat().st_size for path in arrows(folder))
    assert len(calls) == len(shards_asked(server)) == SHARDS
    assert calls == sorted(calls)
    assert calls[-1] == (total, total)
    again = PreparedSet.open(url, cache)
    again.complete(lambda done, total: calls.append((done, total)))
    assert contents(again) == contents(PreparedSet.open(folder, cache))
    assert len(calls) == len(shards_asked(server)) == SHARDS
    (copy,) = (path for path in (cache / "remote").iterdir() if path.name != "urls")
    assert {path.relative_to(copy) for path in copy.rglob("*")} == {
        path.relative_to(folder) for path in folder.rglob("*")
    }


def test_what_was_fetched_works_offline(folder: Path, cache: Path) -> None:
    with serving() as server:
        url = publish(server, folder)
        PreparedSet.open(url, cache).complete(lambda _done, _total: None)
    found = PreparedSet.open(url, cache)
    assert contents(found) == contents(PreparedSet.open(folder, cache))
    assert found.card.warnings[-1].startswith(f"{url} cannot be reached (Connection refused)")
    with pytest.raises(UnreachableError, match=r"cannot be reached \(Connection refused\)"):
        PreparedSet.open(url, cache.with_name("other-cache"))


def test_what_was_not_fetched_is_named_offline(
    folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "_PAUSE_S", 0.0)
    with serving() as server:
        url = publish(server, folder)
        PreparedSet.open(url, cache).sample("train", 0)
    found = PreparedSet.open(url, cache)
    assert found.sample("train", 1) == PreparedSet.open(folder, cache).sample("train", 1)
    with pytest.raises(UnreachableError, match="cannot be reached") as caught:
        found.sample("val", 0)
    assert "\n" not in str(caught.value)


def test_a_set_that_was_prepared_again_gets_a_copy_of_its_own(
    server: Server, request_: FolderRequest, folder: Path, cache: Path, tmp_path: Path
) -> None:
    url = publish(server, folder)
    before = PreparedSet.open(url, cache)
    before.sample("val", 0)
    changed = shutil.copytree(request_.images.parent, tmp_path / "changed")
    write_png(changed / "masks/train/train_0003.png", np.zeros((24, 32), np.uint8))
    moved = dataclasses.replace(
        request_, images=changed / "images", masks=changed / "masks", cache_dir=changed / "new"
    )
    prepare(moved)
    publish(server, prepared_path(moved.cache_dir, "tiny-set"))
    after = PreparedSet.open(url, cache)
    assert after.card.fingerprint != before.card.fingerprint
    assert after.path != before.path
    assert contents(after) == contents(PreparedSet.open("tiny-set", moved.cache_dir))
    assert before.sample("val", 1) == after.sample("val", 1)
    with pytest.raises(DataError, match=r"has no train/data-00000-.*\.json"):
        before.sample("train", 0)


def test_new_terms_reach_the_copy(server: Server, folder: Path, cache: Path) -> None:
    url = publish(server, folder)
    PreparedSet.open(url, cache).sample("train", 0)
    card = json.loads((folder / "card.json").read_text()) | {"terms": "for research"}
    server.pages["/sets/tiny/card.json"].change(json.dumps(card).encode())
    found = PreparedSet.open(url, cache)
    assert found.card.terms == "for research"
    found.sample("train", 0)
    assert len(shards_asked(server)) == 1


def test_a_set_that_is_being_uploaded_is_refused(server: Server, folder: Path, cache: Path) -> None:
    url = publish(server, folder)
    card = json.loads((folder / "card.json").read_text()) | {"fingerprint": "0" * 64}
    server.pages["/sets/tiny/card.json"].change(json.dumps(card).encode())
    with pytest.raises(DamagedError, match="is being copied or changed there"):
        PreparedSet.open(url, cache)
    del server.pages[f"/sets/tiny/val/{STATE_NAME}"]
    with pytest.raises(DataError, match=r"has no val/state\.json"):
        PreparedSet.open(url, cache)


@pytest.mark.parametrize("damage", ["flipped", "short", "long", "empty", "html"])
def test_a_damaged_shard_never_gets_its_name(
    server: Server, folder: Path, cache: Path, damage: str
) -> None:
    found = PreparedSet.open(publish(server, folder), cache)
    whole = first_arrow(folder).read_bytes()
    middle = whole.index(PreparedSet.open(folder, cache).sample("train", 2).image) + 99
    served_arrow(server, folder).change(
        {
            "flipped": whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :],
            "short": whole[:-1],
            "long": whole + b"\0",
            "empty": b"",
            "html": b"<html>please log in</html>",
        }[damage]
    )
    with pytest.raises(DamagedError, match="is not what the set's card describes") as caught:
        found.sample("train", 0)
    assert "\n" not in str(caught.value)
    assert arrows(cache) == []
    served_arrow(server, folder).change(whole)
    assert found.sample("train", 0) == PreparedSet.open(folder, cache).sample("train", 0)
    assert not list(found.path.rglob(".data*"))


@pytest.mark.parametrize(
    "act",
    [Act(status=503), Act(cut=0), Act(cut=700), Act(cut=700, reset=True), Act(status=429)],
    ids=["busy", "cut at once", "cut", "reset", "too many"],
)
def test_a_broken_connection_is_tried_again(
    server: Server, folder: Path, cache: Path, act: Act
) -> None:
    found = PreparedSet.open(publish(server, folder), cache)
    served_arrow(server, folder).script = deque([act])
    assert found.sample("train", 0) == PreparedSet.open(folder, cache).sample("train", 0)
    assert len(shards_asked(server)) == 2


def read_all(url: str, cache: Path) -> list[Sample]:
    return contents(PreparedSet.open(url, cache))


def test_two_processes_share_the_work(server: Server, folder: Path, cache: Path) -> None:
    url = publish(server, folder)
    with multiprocessing.get_context("forkserver").Pool(3) as pool:
        results = pool.starmap(read_all, [(url, cache)] * 3, chunksize=1)
    assert all(result == contents(PreparedSet.open(folder, cache)) for result in results)
    assert len(shards_asked(server)) == SHARDS


def first(prepared: PreparedSet) -> Sample:
    return prepared.sample("train", 0)


def test_an_open_set_travels_to_another_process(server: Server, folder: Path, cache: Path) -> None:
    found = PreparedSet.open(publish(server, folder), cache)
    with multiprocessing.get_context("forkserver").Pool(1) as pool:
        assert pool.apply(first, (found,)) == PreparedSet.open(folder, cache).sample("train", 0)
    assert contents(pickle.loads(pickle.dumps(found))) == contents(found)


@pytest.mark.parametrize("kills", [6, pytest.param(100, marks=pytest.mark.slow)])
def test_killed_copies_are_gone_on_with(
    server: Server, tmp_path: Path, cache: Path, kills: int
) -> None:
    request = make_custom(tmp_path, 150, 40)
    prepare(request)
    folder = prepared_path(request.cache_dir, "tiny-set")
    url = publish(server, folder)
    expected = {path.name: path.read_bytes() for path in arrows(folder)}
    for page in server.pages.values():
        page.rate = 300_000
    rng = np.random.default_rng(kills)
    hit = 0
    for _ in range(kills):
        hit += killed_copy(server, url, cache, rng.uniform(0, 1.0)) != 0
        assert all(path.read_bytes() == expected[path.name] for path in arrows(cache))
        if len(arrows(cache)) == len(expected):
            shutil.rmtree(cache)
    assert hit
    assert read_all(url, cache) == contents(PreparedSet.open(folder, cache))
    assert not list((cache / "remote").rglob(".data-*"))


def test_what_a_killed_copy_left_is_swept(server: Server, folder: Path, cache: Path) -> None:
    found = PreparedSet.open(publish(server, folder), cache)
    shard = first_arrow(folder)
    for name in (shard.name, shard.with_suffix(".json").name):
        (found.path / "train" / f".{name}-k1ll3d").write_bytes(b"half")
    found.sample("train", 0)
    assert not list(found.path.rglob(".data*"))


def killed_copy(server: Server, url: str, cache: Path, seconds: float) -> int | None:
    """Read all in a process that is killed so long after its first request."""
    process = multiprocessing.get_context("forkserver").Process(target=read_all, args=(url, cache))
    asked = len(server.asked)
    process.start()
    while len(server.asked) == asked and process.is_alive():
        time.sleep(0.005)
    process.join(seconds)
    process.kill()
    process.join()
    return process.exitcode


def test_a_full_disk_is_told_and_later_gone_on_with(
    server: Server, folder: Path, cache: Path
) -> None:
    found = PreparedSet.open(publish(server, folder), cache)
    with (
        files_end_at(2000),
        pytest.raises(DataError, match="File too large; what is complete is kept"),
    ):
        found.sample("train", 0)
    assert arrows(cache) == []
    assert found.sample("train", 0) == PreparedSet.open(folder, cache).sample("train", 0)


def test_a_disk_without_room_for_the_copy_is_refused(
    server: Server, folder: Path, cache: Path
) -> None:
    url = publish(server, folder)
    state = json.loads((folder / "train" / STATE_NAME).read_text())
    state["_data_files"][0]["bytes"] = 1 << 43
    server.pages[f"/sets/tiny/train/{STATE_NAME}"].change(json.dumps(state).encode())
    with pytest.raises(DataError, match=r"free, and 8\.8 TB are needed \(the copy of http"):
        PreparedSet.open(url, cache).complete(lambda _done, _total: None)
    assert shards_asked(server) == []


def test_a_cache_that_may_not_be_written(server: Server, folder: Path, cache: Path) -> None:
    cache.write_text("a file, not a folder")
    with pytest.raises(DataError, match="--cache-dir"):
        PreparedSet.open(publish(server, folder), cache)
