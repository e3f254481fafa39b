"""Shards are the same whoever writes them, and the disk is asked before anything is written."""

import dataclasses
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fakes.coco_stuff import make_coco_stuff_10k
from tests.fakes.coco_tree import make_coco
from tests.fakes.disk import files_end_at
from tests.fakes.pictures import make_custom
from topformer_cli.data import convert
from topformer_cli.data.card import prepared_path
from topformer_cli.data.catalog import DATASETS
from topformer_cli.data.convert import BYTES_A_WORKER, MOST_WORKERS, Shard, worker_count
from topformer_cli.data.prepare import Request, prepare
from topformer_cli.data.sources.custom import FolderRequest
from topformer_cli.data.sources.published import KnownRequest
from topformer_cli.data.store import PreparedSet
from topformer_cli.data.workers import cores
from topformer_cli.errors import DataError

ROOT = Path(__file__).resolve().parents[3]


def shards(count: int, size: int) -> list[Shard]:
    return [Shard("train", Path(f"{number}.arrow"), (), size) for number in range(count)]


def test_as_many_workers_as_the_work_is_worth() -> None:
    assert worker_count(shards(9, 1 << 10), None) == 1
    assert worker_count(shards(99, BYTES_A_WORKER), None) == min(cores(), MOST_WORKERS)
    assert worker_count(shards(1, 64 * BYTES_A_WORKER), None) == 1


def test_as_many_workers_as_were_asked_for() -> None:
    assert worker_count(shards(9, 1), 3) == 3
    assert worker_count(shards(2, 1), 3) == 2
    assert worker_count([], 3) == 1


def masks(folder: Path) -> Request:
    return make_custom(folder, 30, 5)


def matlab(folder: Path) -> Request:
    make_coco_stuff_10k(folder, 12, 4)
    return known("coco-stuff-10k", folder)


def boxes(folder: Path) -> Request:
    make_coco(folder, 12, 6)
    return known("coco", folder)


def known(name: str, folder: Path) -> Request:
    return KnownRequest(
        spec=DATASETS[name], folder=folder, cache_dir=folder / "cache", allow_partial=True
    )


@pytest.mark.parametrize("make", [masks, matlab, boxes])
def test_processes_write_what_one_process_writes(
    tmp_path: Path, make: Callable[[Path], Request], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(convert, "SHARD_ROWS", 4)
    alone = make(tmp_path)
    crew = dataclasses.replace(alone, cache_dir=tmp_path / "crew", workers=2)
    name = alone.spec.name if isinstance(alone, KnownRequest) else alone.name
    assert prepare(crew) == prepare(alone)
    here, there = (prepared_path(one.cache_dir, name) for one in (alone, crew))
    files = {path.relative_to(here) for path in here.rglob("*") if path.is_file()}
    assert files == {path.relative_to(there) for path in there.rglob("*") if path.is_file()}
    assert sum(path.suffix == ".arrow" for path in files) >= 4
    for path in files:
        assert (here / path).read_bytes() == (there / path).read_bytes(), path


def test_problems_are_gathered_from_all_workers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(convert, "SHARD_ROWS", 4)
    request = dataclasses.replace(make_custom(tmp_path, 16, 4), workers=2)
    for number in (0, 7, 15):
        (request.images / f"train/train_{number:04d}.jpg").write_bytes(b"")
    with pytest.raises(DataError) as caught:
        prepare(request)
    lines = str(caught.value).splitlines()
    assert [line.split(" is empty")[0][-8:] for line in lines[1:]] == [
        "0000.jpg", "0007.jpg", "0015.jpg",
    ]  # fmt: skip


def test_too_small_a_disk_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    request = make_custom(tmp_path, 5, 2)
    huge = request.images / "train/train_0001.jpg"
    os.truncate(huge, 1 << 43)
    with pytest.raises(DataError, match=r"has .*B free, and 8\.8 TB are needed .*--cache-dir"):
        prepare(request)
    assert not list(request.cache_dir.rglob("*.arrow"))


def test_a_disk_that_fills_ends_in_one_line_and_a_later_run_goes_on(tmp_path: Path) -> None:
    request = make_custom(tmp_path, 3, 40)
    with files_end_at(8000), pytest.raises(DataError) as caught:
        prepare(request)
    assert "File too large" in str(caught.value)
    assert "--cache-dir" in str(caught.value)
    assert "\n" not in str(caught.value)
    partial = request.cache_dir / "data/tiny-set.partial"
    (kept,) = partial.rglob("*.arrow")  # that of the small split
    inode = kept.stat().st_ino
    assert prepare(request).counts == {"train": 3, "val": 40}
    (same,) = (request.cache_dir / "data/tiny-set/train").glob("*.arrow")
    assert same.stat().st_ino == inode


FILLING = """
import sys
from pathlib import Path
from tests.unit.data.test_convert import filled

if __name__ == "__main__":
    filled(Path(sys.argv[1]))
"""


def filled(folder: Path) -> None:
    """Prepare with workers whose files may not grow."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (8000, resource.RLIM_INFINITY))
    try:
        prepare(again(folder))
    except DataError as error:
        sys.stdout.write(f"{error}\n")


def again(folder: Path) -> FolderRequest:
    return FolderRequest(
        name="tiny-set",
        images=folder / "images",
        masks=folder / "masks",
        classes=str(folder / "classes.txt"),
        cache_dir=folder / "cache",
        workers=2,
    )


def test_a_disk_that_fills_under_workers(tmp_path: Path) -> None:
    make_custom(tmp_path, 40, 3)
    (tmp_path / "filling.py").write_text(FILLING)
    done = subprocess.run(
        [sys.executable, str(tmp_path / "filling.py"), str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "File too large" in done.stdout
    assert "--cache-dir" in done.stdout
    assert len(done.stdout.splitlines()) == 1
    assert done.stderr == ""
    assert prepare(again(tmp_path)).counts == {"train": 40, "val": 3}
    assert PreparedSet.open("tiny-set", tmp_path / "cache").length("train") == 40
