"""Run folders: names, the newest one, and files that are whole or not there."""

import os
import threading
from pathlib import Path

import pytest

from tests.fakes.disk import files_end_at
from topformer_cli.errors import UsageError
from topformer_cli.rundir import (
    RunDir,
    atomic_path,
    atomic_write,
    latest_run,
    new_run,
    open_run,
    run_called,
    run_names,
    write_json,
)


def test_runs_are_numbered_by_name_and_the_newest_is_latest(tmp_path: Path) -> None:
    names = [new_run(tmp_path, "train", name).path.name for name in ("a", "a", "a-b", "a")]
    assert names == ["a-001", "a-002", "a-b-001", "a-003"]
    assert latest_run(tmp_path) == RunDir(tmp_path / "train" / "a-003")
    assert (tmp_path / "train" / "latest").readlink() == Path("a-003")
    assert new_run(tmp_path, "bench", "a").path == tmp_path / "bench" / "a-001"
    assert latest_run(tmp_path).path.name == "a-003"


def test_numbers_go_on_beyond_gaps_and_three_digits(tmp_path: Path) -> None:
    (tmp_path / "train" / "a-999").mkdir(parents=True)
    (tmp_path / "train" / "a-1x").mkdir()
    assert new_run(tmp_path, "train", "a").path.name == "a-1000"
    assert new_run(tmp_path, "train", "a").path.name == "a-1001"


def test_runs_that_start_together_get_folders_of_their_own(tmp_path: Path) -> None:
    found: list[Path] = []
    threads = [
        threading.Thread(target=lambda: found.append(new_run(tmp_path, "train", "a").path))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 8


def test_no_run_says_what_to_type(tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match=r"no train run under .*train; run `topformer train` first"
    ):
        latest_run(tmp_path)


def test_latest_that_was_deleted_is_no_run(tmp_path: Path) -> None:
    run = new_run(tmp_path, "train", "a")
    (run.path / "checkpoints").rmdir()
    run.path.rmdir()
    with pytest.raises(UsageError, match="no train run"):
        latest_run(tmp_path)


def test_a_run_is_opened_by_its_folder_or_a_file_inside(tmp_path: Path) -> None:
    run = new_run(tmp_path, "train", "a")
    with pytest.raises(UsageError, match=r"is no run folder \(no recipe.yaml in it\)"):
        open_run(run.path)
    run.recipe.write_text("task: segmentation\n")
    for path in (run.path, run.weights("best"), run.metrics, tmp_path / "train" / "latest"):
        assert open_run(path) == RunDir(run.path.resolve())
    assert not run.finished
    write_json(run.result, {"miou": 1})
    assert run.finished


def test_a_run_is_called_by_its_bare_name(tmp_path: Path) -> None:
    shown, trained = (new_run(tmp_path, command, "it") for command in ("demo", "train"))
    other = new_run(tmp_path, "demo", "other[1]")
    for run in (shown, trained, other):
        run.recipe.write_text("")
    assert run_called(Path("it-001"), tmp_path) == trained.path
    assert run_called(Path("other[1]-001"), tmp_path) == other.path
    assert run_names(tmp_path) == ["it-001", "other[1]-001"]
    for path in (Path("it-002"), Path("demo/it-001"), shown.path, Path()):
        assert run_called(path, tmp_path) == path
    trained.recipe.unlink()
    assert run_called(Path("it-001"), tmp_path) == shown.path


def test_a_path_that_is_there_comes_before_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new_run(tmp_path / "runs", "train", "it").recipe.write_text("")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "it-001").mkdir()
    assert run_called(Path("it-001"), Path("runs")) == Path("it-001")


def test_atomic_write_replaces_the_whole(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file.txt"
    atomic_write(path, "first, and longer")
    atomic_write(path, b"second")
    assert path.read_bytes() == b"second"
    assert list(path.parent.iterdir()) == [path]
    mask = os.umask(0)
    os.umask(mask)
    assert path.stat().st_mode & 0o777 == 0o666 & ~mask


def test_a_block_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    atomic_write(path, "old")

    def interrupted() -> None:
        with atomic_path(path) as temporary:
            temporary.write_text("half of it")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    atomic_write(path, "old")
    with files_end_at(100), pytest.raises(OSError, match="File too large"):
        atomic_write(path, "x" * 1000)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_is_an_os_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        atomic_write(tmp_path / "file" / "inside.txt", "x")


def test_json_keeps_letters(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"name": "straße", "values": (1, 2)})
    assert "straße" in (tmp_path / "a.json").read_text(encoding="utf-8")
