"""Prepare is atomic, resumable and idempotent, and publishes nothing when anything is wrong."""

import dataclasses
import multiprocessing
import time
from collections.abc import Callable
from multiprocessing.synchronize import Event
from pathlib import Path

import datasets
import filelock
import numpy as np
import pytest

from tests.fakes.ade20k import make_ade20k
from tests.fakes.pictures import make_custom, noise_mask, write_png
from topformer_cli.data import convert
from topformer_cli.data.card import prepared_path
from topformer_cli.data.catalog import DATASETS
from topformer_cli.data.prepare import PREPARED, UP_TO_DATE, prepare
from topformer_cli.data.shards import arrow_schema
from topformer_cli.data.sources.custom import FolderRequest
from topformer_cli.data.sources.published import KnownRequest
from topformer_cli.data.store import PreparedSet, Sample
from topformer_cli.errors import DataError


class Events:
    """A progress callback that remembers."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, int, int]] = []

    def __call__(self, what: str, done: int, total: int) -> None:
        self.calls.append((what, done, total))

    @property
    def last(self) -> str:
        return self.calls[-1][0]


@pytest.fixture
def request_(tmp_path: Path) -> FolderRequest:
    return make_custom(tmp_path, 7, 3)


def contents(request: FolderRequest) -> list[Sample]:
    prepared = PreparedSet.open(request.name, request.cache_dir)
    return [
        prepared.sample(split, index)
        for split in prepared.card.counts
        for index in range(prepared.length(split))
    ]


def test_the_datasets_library_loads_it(request_: FolderRequest) -> None:
    prepare(request_)
    loaded = datasets.load_from_disk(str(prepared_path(request_.cache_dir, request_.name)))
    assert {split: len(rows) for split, rows in loaded.items()} == {"train": 7, "val": 3}
    row = loaded["train"][2]
    assert row["id"] == "train_0002"
    assert row["image"].size == (row["width"], row["height"]) == (32, 24)
    assert set(np.unique(np.asarray(row["mask"]))) <= {0, 1, 2}


def test_the_card_describes_the_set(request_: FolderRequest) -> None:
    card = prepare(dataclasses.replace(request_, ignore=(2,), terms="mine"))
    assert card.classes == ("sky", "road")
    assert card.palette == ((128, 128, 128), (128, 64, 128))
    assert card.counts == {"train": 7, "val": 3}
    assert card.median_size == (24, 32)
    train, val = card.splits["train"], card.splits["val"]
    assert sum(train.labels.counts) + train.labels.ignored == train.pixels == 7 * 24 * 32
    assert train.smallest == train.largest == (24, 32)
    assert max(train.labels.images) <= 7
    assert val.labels.ignored > 0
    assert card.terms == "mine"
    assert card.partial is None


def test_a_small_ade20k_is_refused_unless_a_part_is_wanted(tmp_path: Path) -> None:
    root = make_ade20k(tmp_path, 5, 2)
    request = KnownRequest(spec=DATASETS["ade20k"], folder=tmp_path, cache_dir=tmp_path / "cache")
    with pytest.raises(DataError, match=r"train has 5 of 20210 images .* --allow-partial"):
        prepare(request)
    card = prepare(dataclasses.replace(request, allow_partial=True, notes=("from a friend",)))
    assert card.partial == "partial: train 5 of 20210, val 2 of 2000"
    assert card.warnings == ("from a friend", card.partial)
    assert len(card.classes) == 150
    assert card.splits["train"].labels.ignored > 0
    prepared = PreparedSet.open("ade20k", tmp_path / "cache")
    name = "images/training/ADE_train_00000001.jpg"
    assert prepared.sample("train", 0).image == (root / name).read_bytes()


def test_a_second_time_does_nothing(request_: FolderRequest) -> None:
    card = prepare(request_)
    files = {path: path.stat().st_mtime_ns for path in request_.cache_dir.rglob("*.arrow")}
    events = Events()
    assert prepare(request_, events) == card
    assert events.calls == [(UP_TO_DATE, 10, 10)]
    assert files == {p: p.stat().st_mtime_ns for p in request_.cache_dir.rglob("*.arrow")}


def test_force_prepares_again_with_the_same_result(request_: FolderRequest) -> None:
    card = prepare(request_)
    events = Events()
    assert prepare(dataclasses.replace(request_, force=True), events) == card
    assert events.last == PREPARED


def test_a_changed_mask_replaces_the_set(request_: FolderRequest) -> None:
    card = prepare(request_)
    write_png(request_.masks / "train/train_0003.png", noise_mask(np.random.default_rng(99)))
    changed = prepare(request_)
    assert changed.fingerprint != card.fingerprint
    assert len(contents(request_)) == 10
    data = request_.cache_dir / "data"
    assert sorted(path.name for path in data.iterdir()) == [".tiny-set.lock", "tiny-set"]


def test_the_fingerprint_does_not_depend_on_the_place(tmp_path: Path) -> None:
    here = prepare(make_custom(tmp_path / "here", 5, 2))
    there = prepare(make_custom(tmp_path / "there", 5, 2))
    assert here.fingerprint == there.fingerprint
    assert here.source == there.source == "images"


def test_changed_classes_replace_the_set(request_: FolderRequest) -> None:
    before = prepare(request_)
    after = prepare(dataclasses.replace(request_, ignore=(1,)))
    assert after.classes == ("sky", "car")
    assert after.fingerprint != before.fingerprint


def test_problems_of_all_files_come_together_and_nothing_is_published(
    request_: FolderRequest,
) -> None:
    (request_.images / "train/train_0001.jpg").write_bytes(b"")
    write_png(request_.masks / "val/val_0002.png", np.full((24, 32), 9, np.uint8))
    with pytest.raises(DataError) as caught:
        prepare(request_)
    message = str(caught.value)
    assert message.startswith("2 problems")
    assert "train_0001.jpg is empty" in message
    assert "val_0002.png: mask value 9" in message
    with pytest.raises(DataError, match="no prepared data set 'tiny-set'"):
        PreparedSet.open(request_.name, request_.cache_dir)


def test_a_failed_prepare_leaves_the_old_set(request_: FolderRequest) -> None:
    prepare(request_)
    before = contents(request_)
    (request_.images / "train/train_0001.jpg").write_bytes(b"broken")
    with pytest.raises(DataError):
        prepare(request_)
    assert contents(request_) == before


def test_two_prepares_do_not_collide(request_: FolderRequest) -> None:
    (request_.cache_dir / "data").mkdir(parents=True)
    lock = request_.cache_dir / "data" / ".tiny-set.lock"
    with filelock.FileLock(lock), pytest.raises(DataError, match="by another process"):
        prepare(request_)
    assert prepare(request_).counts == {"train": 7, "val": 3}


@pytest.mark.parametrize("name", ["", "a/b", "..", "a.partial", "a b", ".hidden"])
def test_refuses_a_name_that_is_no_folder_name(request_: FolderRequest, name: str) -> None:
    with pytest.raises(DataError, match="data set name"):
        prepare(dataclasses.replace(request_, name=name))


def test_says_when_a_class_never_occurs(request_: FolderRequest) -> None:
    with Path(request_.classes).open("a") as file:
        file.write("boat,1,2,3\n")
    assert prepare(request_).warnings == ("never in a training image: boat",)


def killed_after(request: FolderRequest, seconds: float | None) -> tuple[int, float]:
    """Prepare in a process, and kill it after a time; return its exit code and how long it ran."""
    context = multiprocessing.get_context("forkserver")
    ready = context.Event()
    process = context.Process(target=prepare_when_ready, args=(request, ready))
    process.start()
    assert ready.wait(60)
    started = time.monotonic()
    process.join(seconds)
    process.kill()
    process.join()
    assert process.exitcode is not None
    return process.exitcode, time.monotonic() - started


def prepare_when_ready(request: FolderRequest, ready: Event) -> None:
    arrow_schema(convert.set_features("segmentation", ("sky",)))  # imports what is slow
    ready.set()
    prepare(request)


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("kills", [5, pytest.param(100, marks=pytest.mark.slow)])
def test_survives_being_killed_at_random_moments(
    tmp_path: Path, kills: int, workers: int, record_property: Callable[[str, object], None]
) -> None:
    """What can be opened is whole, old or new, and the end is what an undisturbed prepare gives."""
    request = dataclasses.replace(make_custom(tmp_path, 700, 60), workers=workers)
    undisturbed = dataclasses.replace(request, cache_dir=tmp_path / "undisturbed")
    old = prepare(undisturbed)
    usual = killed_after(request, None)[1]
    write_png(request.masks / "train/train_0003.png", np.zeros((24, 32), np.uint8))
    new = prepare(undisturbed)
    rng = np.random.default_rng(kills)
    killed = begun = 0
    for _ in range(kills):
        again = dataclasses.replace(request, force=bool(rng.integers(2)))
        killed += killed_after(again, rng.uniform(0, 1.2 * usual))[0] != 0
        begun += any(request.cache_dir.rglob("*.partial/*/*.json"))
        try:
            fingerprint = PreparedSet.open(request.name, request.cache_dir).card.fingerprint
        except DataError as error:
            assert "no prepared data set" in str(error)  # noqa: PT017 - absent, but never damaged
        else:
            assert fingerprint in (old.fingerprint, new.fingerprint)
    assert killed
    record_property("hit", killed)
    record_property("with finished shards", begun)
    assert prepare(request).fingerprint == new.fingerprint
    assert contents(request) == contents(undisturbed)
    assert not list(request.cache_dir.rglob("*.partial"))
    assert not [p for p in request.cache_dir.rglob(".*") if p.name != ".tiny-set.lock"]


def test_large_images_make_smaller_shards(
    request_: FolderRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = prepare(request_)
    monkeypatch.setattr(convert, "SHARD_BYTES", 1500)
    divided = prepare(dataclasses.replace(request_, force=True))
    assert len(list(request_.cache_dir.rglob("train/*.arrow"))) > 2
    assert divided.counts == whole.counts
    assert [s.id for s in contents(request_)[:7]] == [f"train_{n:04d}" for n in range(7)]


def test_says_where_it_cannot_write(request_: FolderRequest) -> None:
    request_.cache_dir.write_text("a file, not a folder")
    with pytest.raises(DataError, match=r"while preparing tiny-set; .* --cache-dir"):
        prepare(request_)


def test_finished_shards_are_used_again(request_: FolderRequest) -> None:
    """A prepare that stops at a bad image has kept the shards of the other split."""
    good = (request_.images / "train/train_0001.jpg").read_bytes()
    (request_.images / "train/train_0001.jpg").write_bytes(b"broken")
    with pytest.raises(DataError):
        prepare(request_)
    partial = request_.cache_dir / "data" / "tiny-set.partial"
    (shard,) = (partial / "val").glob("*.arrow")
    inode = shard.stat().st_ino
    (request_.images / "train/train_0001.jpg").write_bytes(good)
    prepare(request_)
    (kept,) = (request_.cache_dir / "data" / "tiny-set" / "val").glob("*.arrow")
    assert kept.stat().st_ino == inode


def test_shards_of_killed_processes_are_used_again(tmp_path: Path) -> None:
    request = dataclasses.replace(make_custom(tmp_path, 1200, 60), workers=2)
    context = multiprocessing.get_context("forkserver")
    process = context.Process(target=prepare, args=(request,))
    process.start()
    partial, final = (request.cache_dir / f"data/tiny-set{end}" for end in (".partial", ""))
    while not (facts := list(partial.glob("*/*.json"))):
        time.sleep(0.002)
    process.kill()
    process.join()
    inodes = {path.with_suffix(".arrow").name: inode_of(path) for path in facts}
    assert not final.exists()
    prepare(request)
    assert inodes.items() <= {path.name: inode_of(path) for path in final.rglob("*.arrow")}.items()


def inode_of(path: Path) -> int:
    """Return what tells a file that was kept from one that was written again."""
    return path.with_suffix(".arrow").stat().st_ino
