"""`data check` as a person meets it, and the part of it that training runs by itself."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.cli.conftest import Ran, Road, run_cli
from tests.cli.test_mistakes import refused
from tests.fakes import broken
from tests.fakes.ade20k import make_ade20k
from tests.fakes.coco_tree import make_coco
from tests.fakes.pictures import make_custom, noise_image, write_jpeg
from topformer_cli.data.sources.custom import FolderRequest


@pytest.fixture
def custom(tmp_path: Path) -> FolderRequest:
    return make_custom(tmp_path / "my data é", 5, 3)


def check_raw(custom: FolderRequest, *words: str) -> Ran:
    return run_cli(
        "data", "check", "--images", custom.images, "--masks", custom.masks,
        "--classes", custom.classes, *words,
    )  # fmt: skip


def states(done: Ran) -> dict[str, tuple[str, int]]:
    """What is not ok, by kind."""
    return {
        one["kind"]: (one["state"], one["count"])
        for one in done.record["checks"]
        if one["state"] != "ok"
    }


def test_a_prepared_set(road: Road) -> None:
    done = road.data("check", "little")
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    assert lines[0] == "check of little"
    assert [line.split()[-1] for line in lines if line.startswith(" unreadable files")] == ["ok"]
    assert lines[-1] == "little: 8 images, 9 checks; nothing is wrong"
    done = road.data("check", "little", "--json")
    record = done.record
    assert (record["name"], record["images"], record["state"]) == ("little", 8, "ok")
    assert (record["fixed"], record["left"]) == ([], [])


def test_a_damaged_set_ends_with_3(road: Road, tmp_path: Path) -> None:
    shutil.copytree(road.cache, tmp_path / "cache")
    copied = Road(tmp_path)
    [shard] = (copied.cache / "data/little/val").glob("*.arrow")
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 0xFF
    shard.write_bytes(data)
    done = copied.data("check", "little")
    assert done.code == 3
    assert "not as prepare wrote it" in " ".join(done.out.split())
    assert "wrong: " in done.out.splitlines()[-1]
    shard.unlink()
    assert "prepare" in refused(copied.data("check", "little"), 3)


def test_own_folders_before_prepare(custom: FolderRequest) -> None:
    done = check_raw(custom)
    assert done.code == 0, done.err
    assert done.out.splitlines()[-1] == f"{custom.images}: 8 images, 21 checks; nothing is wrong"
    broken.all_ignored(custom)
    done = check_raw(custom, "--json")
    assert (done.code, states(done)) == (0, {"all-ignored": ("note", 1)})
    broken.sixteen_bits(custom)
    broken.without_mask(custom)
    broken.in_two_splits(custom)
    broken.cut_image(custom)
    done = check_raw(custom, "--json")
    assert done.code == 3
    assert states(done) == {"no-mask": ("wrong", 1)}
    assert done.record["state"] == "wrong"
    [line] = [one for one in done.record["checks"] if one["kind"] == "no-mask"]
    assert line["findings"][0]["place"] == str(custom.images / "train/train_0001.jpg")


def test_fix_says_what_it_did_and_what_it_left(custom: FolderRequest) -> None:
    broken.sixteen_bits(custom)
    write_jpeg(
        broken.image(custom, "train/train_0003"),
        noise_image(np.random.default_rng(1)),
        orientation=3,
    )
    done = check_raw(custom)
    assert done.code == 3
    assert "--fix mends, where only one way is right" in done.err
    done = check_raw(custom, "--fix")
    assert done.code == 3
    assert "fixed: 1, originals in .originals beside each file" in done.out.splitlines()[-1]
    assert "left: " in done.err
    assert "its mask fits both ways" in done.err
    [line] = [one for one in done.out.splitlines() if one.startswith(" masks of 16 bits")]
    assert line.split() == ["masks", "of", "16", "bits", "ok", "1"]
    again = check_raw(custom, "--fix", "--json")
    assert (again.record["fixed"], states(again)) == ([], {"exif": ("wrong", 1)})


def test_a_published_set_before_prepare(tmp_path: Path) -> None:
    make_ade20k(tmp_path, 4, 2)
    done = run_cli("data", "check", "ade20k", "--source", tmp_path, "--json")
    assert done.code == 3
    assert states(done)["count"] == ("wrong", 2)
    done = run_cli("data", "check", "ade20k", "--source", tmp_path, "--allow-partial")
    assert done.code == 0, done.err
    assert "notes: " in done.out.splitlines()[-1]


def test_boxes_before_prepare(tmp_path: Path) -> None:
    root = make_coco(tmp_path, 6, 5)
    words = (
        "--images",
        root / "train2017",
        "--coco",
        root / "annotations/instances_train2017.json",
    )
    done = run_cli("data", "check", *words, "--json")
    assert done.code == 0, done.err
    assert states(done).keys() == {"empty-box", "tiny-box", "crowd", "no-boxes", "absent"}
    data = json.loads(Path(words[3]).read_text())
    data["annotations"][0]["bbox"][0] = float("nan")
    Path(words[3]).write_text(json.dumps(data))
    done = run_cli("data", "check", *words, "--json")
    assert done.code == 3
    assert states(done)["broken-box"] == ("wrong", 1)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "topformer data check needs NAME, or NAME --source FOLDER, or --images FOLDER"),
        (("--images", ".", "--masks", "."), "got --images --masks"),
        (("x", "--source", "."), "'x' is no published set this version knows (ade20k"),
        (("x", "--fix"), "--fix mends files of your own"),
        (("--images", ".", "--fix"), "--fix mends files of your own: --images with --masks"),
        (("ade20k", "--source", ".", "--fix"), "a published one fetched again"),
        (("x", "--ignore", "3"), "got NAME --ignore"),
        (("--source", "."), "got --source"),
    ],
)
def test_options_that_do_not_go_together(words: tuple[str, ...], said: str) -> None:
    assert said in refused(run_cli("data", "check", *words), 2)


def test_a_set_that_is_not_there(road: Road) -> None:
    assert "no prepared data set 'gone'" in refused(road.data("check", "gone"), 3)


def test_training_stops_at_a_damaged_set_before_it_creates_anything(
    road: Road, tmp_path: Path
) -> None:
    shutil.copytree(road.cache, tmp_path / "cache")
    copied = Road(tmp_path)
    [shard] = (copied.cache / "data/little/train").glob("*.arrow")
    with shard.open("ab") as file:
        file.write(b"\0" * 64)
    line = refused(copied.train("little", "--size", "tiny"), 3)
    assert f"{shard.name} has " in line
    assert not copied.runs.exists()


def test_training_says_once_what_is_odd(tmp_path: Path) -> None:
    custom = make_custom(tmp_path / "raw", 5, 3)
    broken.absent_class(custom)
    copied = Road(tmp_path)
    done = copied.data(
        "prepare", "odd", "--images", custom.images, "--masks", custom.masks,
        "--classes", custom.classes,
    )  # fmt: skip
    assert done.code == 0, done.err
    done = copied.train("odd", "--size", "tiny")
    assert done.code == 0, done.err
    assert done.err.count("warning: odd: val lacks 1 of 3 classes: car") == 1


def test_check_loads_no_network(tmp_path: Path) -> None:
    """It shall start at once."""
    text = (
        "import sys; from topformer_cli.api import checking; "
        "sys.exit(any(name in sys.modules for name in ('torch', 'datasets', 'onnx')))"
    )
    assert subprocess.run([sys.executable, "-c", text], cwd=tmp_path, check=False).returncode == 0
