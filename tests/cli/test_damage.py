"""Files that are damaged, missing or in the way: refused by name, and nothing is lost."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from tests.cli.conftest import Road
from tests.cli.test_mistakes import refused
from tests.fakes.disk import files_end_at
from topformer_cli.rundir import RunDir


@pytest.fixture
def copied(road: Road, tmp_path: Path) -> Road:
    """A road of its own, for a test that changes its runs."""
    shutil.copytree(road.runs, tmp_path / "runs", symlinks=True)
    shutil.copytree(road.cache, tmp_path / "cache")
    return Road(tmp_path)


def best(road: Road) -> Path:
    return RunDir(road.latest).weights("best")


def test_a_run_without_checkpoint_does_not_hide_the_one_before(copied: Road) -> None:
    empty = copied.runs / "train" / "little-tiny-002"
    (empty / "checkpoints").mkdir(parents=True)
    link = copied.runs / "train" / "latest"
    link.unlink()
    link.symlink_to(empty.name)
    done = copied.run("eval", "--json")
    assert done.code == 0, done.err
    assert "little-tiny-001" in done.record["weights"]
    shutil.rmtree(empty)
    assert copied.run("eval", "--json").code == 0


def test_a_device_that_is_not_there_is_told_before_a_run_exists(copied: Road) -> None:
    line = refused(copied.run("train", "little", "--device", "cuda:9"), 2)
    assert "torch finds" in line
    assert not (copied.runs / "train" / "little-tiny-002").exists()


def test_changed_weights_are_refused(road: Road, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.safetensors"
    content = bytearray(best(road).read_bytes())
    content[-4000] ^= 0xFF
    damaged.write_bytes(content)
    line = refused(road.run("eval", damaged), 3)
    assert f"{damaged} is damaged: its weights are not those written" in line


def test_weights_that_are_not_numbers_are_refused(shared: Path, tmp_path: Path) -> None:
    state = torch.load(shared / "golden" / "official_tiny_mmseg.pth", weights_only=True)
    state["state_dict"]["decode_head.conv_seg.bias"][3] = float("nan")
    torch.save(state, tmp_path / "nan.pth")
    road = Road(tmp_path)
    line = refused(road.run("export", "--weights", tmp_path / "nan.pth"), 3)
    assert "nan.pth: head.classify.bias holds nan or inf" in line


def test_a_checkpoint_of_something_else_is_refused(road: Road, tmp_path: Path) -> None:
    with safe_open(best(road), framework="pt") as file:
        assert "topformer" in file.metadata()
    # Without its card it is anybody's: the network is known by its tensors, its set is not.
    other = tmp_path / "other.safetensors"
    save_file(load_file(best(road)), other)
    assert "does not say what it was trained on" in refused(road.run("eval", other), 2)
    save_file({"weight": torch.zeros(3)}, other)
    assert "holds no TopFormer weights" in refused(road.run("eval", other), 3)


@pytest.mark.parametrize(
    ("output", "said"),
    [("x.jpg", "pictures are written as .png"), ("taken", "is a file; name a .png file or a")],
)
def test_segment_writes_pictures_only(road: Road, tmp_path: Path, output: str, said: str) -> None:
    (tmp_path / "taken").write_text("mine")
    done = road.run("segment", road.image, "-o", tmp_path / output, cache=False)
    assert said in refused(done, 2)
    assert (tmp_path / "taken").read_text() == "mine"
    assert not (tmp_path / "x.jpg").exists()


def test_segment_does_not_overwrite_its_image(road: Road, tmp_path: Path) -> None:
    from PIL import Image

    picture = tmp_path / "picture.png"
    Image.fromarray(np.zeros((32, 32, 3), np.uint8)).save(picture)
    before = picture.read_bytes()
    assert "is the image itself" in refused(
        road.run("segment", picture, "-o", picture, cache=False), 2
    )
    assert picture.read_bytes() == before


def test_bench_takes_the_folder_of_an_export(road: Road, tmp_path: Path) -> None:
    done = road.run("export", "--output-dir", tmp_path / "out")
    assert done.code == 0, done.err
    quick = ("--rounds", "1", "--iterations", "1", "--seconds", "0", "--warmup-seconds", "0")
    done = road.run("bench", tmp_path / "out", "--device", "host", "--json", *quick)
    assert done.code == 0, done.err
    assert done.record["results"][0]["engine"] == "onnxruntime"
    [manifest] = (tmp_path / "out").glob("*.json")
    manifest.write_text(manifest.read_text().replace("topformer-tiny", "topformer-tony", 1))
    line = refused(road.run("bench", manifest, "--device", "host"), 4)
    assert "describes another export" in line
    missing = road.run("bench", tmp_path / "gone", "--device", "host")
    assert "no run, checkpoint or export" in refused(missing, 2)


def test_export_to_a_full_disk_replaces_nothing(road: Road, tmp_path: Path) -> None:
    done = road.run("export", "--output-dir", tmp_path)
    assert done.code == 0, done.err
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with files_end_at(100_000):
        line = refused(road.run("export", "--output-dir", tmp_path), 4)
    assert "choose another --output-dir" in line
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_unknown_format_and_contradictions_are_usage(road: Road) -> None:
    assert "choose from onnx, tnn" in refused(road.run("export", "--format", "mnn"), 2)
    line = refused(road.run("train", "--resume", "auto", "--dry-run"), 2)
    assert "--dry-run and --profile, one at a time, show a new run" in line
    line = refused(road.run("train", "little", "--dry-run", "--nproc", "2"), 2)
    assert "take their steps in one process; drop --nproc" in line
    shown = road.run("train", "little", "--dry-run", "--json")
    assert shown.record["dataset"] == "little"


def test_faults_of_a_set_stand_one_a_line(nowhere: Road) -> None:
    for split in ("train", "val"):
        for name, suffix in (("images", "jpg"), ("masks", "png")):
            (nowhere.folder / name / split).mkdir(parents=True)
            (nowhere.folder / name / split / f"a.{suffix}").write_bytes(b"")
    done = nowhere.data(
        "prepare", "mine", "--images", nowhere.folder / "images",
        "--masks", nowhere.folder / "masks", "--classes", "a,b",
    )  # fmt: skip
    assert done.code == 3
    first, *faults = done.err.splitlines()[-3:]
    assert first.startswith("topformer: 2 problems in the data; nothing was prepared:")
    assert [line.startswith("  ") and "a.jpg" in line for line in faults] == [True, True]


def test_a_closed_stdout_is_no_error(tmp_path: Path) -> None:
    done = subprocess.run(
        ["sh", "-c", f"{sys.executable} -m topformer_cli data list --cache-dir {tmp_path} >&-"],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
