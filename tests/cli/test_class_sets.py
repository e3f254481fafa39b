"""Classes of one's own, from folders of pictures to a network, through the command line."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from tests.cli.conftest import SHORT, Road, prepared_road
from tests.cli.test_mistakes import refused
from tests.cli.test_road import quietly
from tests.fakes.class_folders import make_class_folders
from topformer_cli.rundir import RunDir

QUICK = ("batch=2", "schedule.iterations=2", "schedule.warmup=1", "evaluation.every=1")
DIVIDED = ("--val-fraction", "0.2")
CLASSES = {"rose": 5, "tulip": 5, "aster, wild": 5, "lily": 5, "poppy": 5, "violet": 5}


@pytest.fixture(scope="module")
def flowers(tmp_path_factory: pytest.TempPathFactory) -> Road:
    """The set `flowers` with a run on it, beside the set of masks `little`."""
    road = prepared_road(tmp_path_factory.mktemp("flowers"))
    request = make_class_folders(road.folder / "flowers", CLASSES)
    done = quietly(road.data("prepare", "flowers", "--images", request.images, *DIVIDED))
    assert done.out == "flowers: prepared, 24 train, 6 val images, 6 classes\n"
    assert "one class an image: aster, wild, lily, poppy, rose, tulip, violet\n" in done.err
    quietly(road.train("flowers", "--size", "tiny", overrides=QUICK))
    return road


def test_the_set_is_described_and_drawn(flowers: Road, tmp_path: Path) -> None:
    text = quietly(flowers.data("info", "flowers")).out
    assert "flowers: images, and their share, by class" in text
    [line] = [line for line in text.splitlines() if "aster, wild" in line]
    assert line.split() == ["0", "aster,", "wild", "4", "16.67%", "1", "16.67%", "1.00"]
    assert quietly(flowers.data("check", "flowers")).out.endswith("6 checks; nothing is wrong\n")
    quietly(flowers.data("show", "flowers", "-o", tmp_path / "sheet.png"))
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width > 1000
    assert "flowers" in quietly(flowers.data("list")).out


def test_eval_tells_top_1_and_top_5(flowers: Road) -> None:
    done = quietly(flowers.run("eval"))
    assert "TopFormer-tiny on flowers val (6 images)" in done.out
    assert "top-5 " in done.out
    assert "no top-5" not in done.out
    record = quietly(flowers.run("eval", "--json")).record
    assert record["counts"] == [1] * 6
    assert record["top5"] >= record["top1"]


def test_a_segmentation_starts_from_the_checkpoint(flowers: Road, tmp_path: Path) -> None:
    weights = RunDir(flowers.latest).weights("last")
    overrides = [word for text in (*SHORT, "schedule.iterations=1") for word in ("-o", text)]
    words = ("train", "little", "--weights", weights, *overrides, "--work-dir", tmp_path)
    line = refused(flowers.run(*words, work_dir=False), 3)
    assert "--partial-weights takes what fits" in line
    done = quietly(flowers.run(*words, "--partial-weights", work_dir=False))
    assert "tensors matched; " in done.err


def test_what_is_not_for_classifiers_says_so(flowers: Road) -> None:
    for words in (("export",), ("bench", "--device", "host")):
        line = refused(flowers.run(*words, flowers.latest), 2)
        assert "is a network for classification; this command takes one for segmentation" in line


def test_few_classes_have_no_top_5(tmp_path: Path) -> None:
    road = Road(tmp_path)
    request = make_class_folders(
        tmp_path, {"train/cat": 3, "train/dog": 3, "val/cat": 2, "val/dog": 2}
    )
    quietly(road.data("prepare", "pets", "--images", request.images))
    quietly(road.train("pets", overrides=(*QUICK, "schedule.iterations=1")))
    done = quietly(road.run("eval"))
    assert "no top-5: of 2 classes it is always 100" in done.out
    assert quietly(road.run("eval", "--json")).record["top5"] is None


def test_check_before_prepare(tmp_path: Path) -> None:
    request = make_class_folders(tmp_path, {"rose": 2, "tulip": 2})
    road = Road(tmp_path)
    done = quietly(road.data("check", "--images", request.images))
    assert done.out.endswith(f"{request.images}: 4 images, 11 checks; nothing is wrong\n")
    for picture in (request.images / "rose").iterdir():
        picture.unlink()
    done = road.data("check", "kinds", "--images", request.images, "--classes", "tulip,rose")
    assert done.code == 3
    assert "rose holds no picture" in " ".join(done.out.split())


def test_names_that_no_terminal_shows_are_checked_all_the_same(tmp_path: Path) -> None:
    request = make_class_folders(tmp_path, {"rose": 2, "tulip": 2})
    picture = request.images / "rose" / os.fsdecode(b"\xff.jpg")
    (request.images / "rose/000.jpg").rename(picture)
    (request.images / "tulip/000.jpg").write_bytes(picture.read_bytes())
    line = [sys.executable, "-m", "topformer_cli", "data", "check", "--images", request.images]
    done = subprocess.run(line, capture_output=True, check=False)
    assert done.returncode == 3, done.stderr
    assert b"checks; wrong: 1 (1); notes: 1 (1)" in done.stdout
    done_here = Road(tmp_path).data("prepare", "kinds", "--images", request.images, *DIVIDED)
    assert r"rose/\xff.jpg has a name that is not UTF-8; rename it" in refused(done_here, 3)


def test_another_order_of_the_classes_is_another_set(tmp_path: Path) -> None:
    request = make_class_folders(tmp_path, {"rose": 2, "tulip": 2})
    words = ("prepare", "kinds", "--images", request.images, *DIVIDED, "--json")
    road = Road(tmp_path)
    first, again = (quietly(road.data(*words)).record for _ in range(2))
    assert first == again
    other = quietly(road.data(*words, "--classes", "tulip,rose")).record
    assert (first["classes"], other["classes"]) == (["rose", "tulip"], ["tulip", "rose"])
    assert other["fingerprint"] != first["fingerprint"]


def test_nothing_is_guessed_and_nothing_is_left(road: Road, nowhere: Road) -> None:
    images = road.folder / "raw" / "images"
    masks = ("--masks", images)
    for command, words, code, said in (
        ("prepare", ("--images", images), 3, "train holds pictures and no folders, so nothing"),
        ("check", ("--images", images), 3, "train holds pictures and no folders, so nothing"),
        ("prepare", ("--images", images, *masks), 2, "got --images, --masks"),
        ("check", ("--images", images, *masks), 2, "got NAME --images --masks"),
        ("prepare", ("--images", images, "--ignore", "3"), 2, "got --ignore, --images"),
        ("prepare", ("--images", images.parent, *DIVIDED), 3, "holds images and masks, which are"),
        ("check", ("--images", images.parent), 3, "holds images and masks, which are no classes"),
    ):
        assert said in refused(nowhere.data(command, "mine", *words), code)
    assert not (nowhere.cache / "data" / "mine").exists()


def test_a_val_part_that_lacks_a_class_is_warned_of(tmp_path: Path) -> None:
    request = make_class_folders(tmp_path, {"rose": 1, "tulip": 4, "lily": 4}, 0.25)
    done = quietly(Road(tmp_path).data("prepare", "few", "--images", request.images, *DIVIDED))
    assert "warning: val lacks 1 of 3 classes: rose" in done.err


def test_imagenet_at_a_wrong_place_names_its_layouts(tmp_path: Path) -> None:
    request = make_class_folders(tmp_path, {"rose": 1, "tulip": 1})
    done = Road(tmp_path).data("prepare", "imagenet", "--source", request.images)
    line = refused(done, 3)
    assert "ILSVRC2012_img_train.tar" in line
    assert "train/n01440764/ to train/n15075141/ and val/n01440764/ to val/n15075141/" in line
    assert line.endswith(f"classes of your own take another name and --images {request.images}")
