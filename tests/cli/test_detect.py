"""`topformer detect`: boxes of pictures and videos, drawn and written down; its mistakes."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.cli.conftest import Ran, Road
from tests.cli.test_mistakes import refused
from tests.cli.test_road import pixels, quietly
from tests.fakes.disk import files_end_at
from tests.fakes.videos import cut, make_video
from topformer_cli.api.videos import Video
from topformer_cli.rundir import RunDir

ALL = ("--score", "0")
"""A network that has hardly learnt is sure of nothing."""


def picture(road: Road, name: str = "007") -> Path:
    return road.folder / "blocks" / "images" / f"{name}.png"


def detect(road: Road, *words: str | Path) -> Ran:
    return road.run("detect", *words, cache=False)


def test_a_picture_is_drawn_with_its_boxes(boxed: Road, tmp_path: Path) -> None:
    target = tmp_path / "out" / "drawn.png"
    done = quietly(detect(boxed, picture(boxed), "-o", target, *ALL))
    assert "detecting with " in done.err
    output, _, counts = done.out.strip().partition("  ")
    assert output == str(target)
    assert sum(int(one.split()[0]) for one in counts.split(", ")) == 100
    drawn, image = pixels(target), pixels(picture(boxed))
    assert drawn.shape == (384, 288, 3)  # three times as large, so that names have room
    assert (drawn != np.kron(image, np.ones((3, 3, 1), np.uint8))).any(axis=2).mean() > 0.2
    assert [path.name for path in target.parent.iterdir()] == ["drawn.png"]


@pytest.mark.parametrize(
    ("name", "least"), [("drawn.png", 2_000), ("boxes.json", 100_000), ("drawn.mp4", 2_000)]
)
def test_a_full_disk_is_told_and_nothing_half_written(
    boxed: Road, tmp_path: Path, capfd: pytest.CaptureFixture[str], name: str, least: int
) -> None:
    target = tmp_path / "out" / name
    words: tuple[str | Path, ...] = (picture(boxed), "-o", target)
    if name == "boxes.json":
        pictures = sorted(picture(boxed).parent.iterdir())
        words = (*pictures, "-o", tmp_path / "drawn", "--results", target)
    elif name == "drawn.mp4":
        words = (make_video(tmp_path / "clip.avi", 6), "-o", target)
    with files_end_at(least):
        line = refused(detect(boxed, *words, *ALL), 1)
    assert str(target) in line
    assert "free some space or choose another place" in line
    assert list(target.parent.iterdir()) == []
    assert "Failed to write" not in capfd.readouterr().err


def test_json_has_names_scores_and_corners(boxed: Road, tmp_path: Path) -> None:
    words = (picture(boxed).parent, "-o", tmp_path, "--json", *ALL)
    record = quietly(detect(boxed, *words)).record
    assert record["dataset"] == "blocks"
    assert len(record["files"]) == 9
    for one in record["files"]:
        height, width = pixels(one["file"]).shape[:2]
        assert Path(one["output"]).is_file()
        assert len(one["boxes"]) == 100
        corners = np.array([box["corners"] for box in one["boxes"]])
        assert (corners[:, :2] >= 0).all()
        assert (corners[:, 2:] <= (width, height)).all()
        assert (corners[:, :2] < corners[:, 2:]).all()
        scores = [box["score"] for box in one["boxes"]]
        assert scores == sorted(scores, reverse=True)
        assert {box["name"] for box in one["boxes"]} <= {"blue", "red", "green"}


def test_score_iou_and_classes_choose_the_boxes(boxed: Road, tmp_path: Path) -> None:
    def boxes(*words: str) -> list[dict[str, object]]:
        done = detect(boxed, picture(boxed), "-o", tmp_path, "--json", *words)
        found: list[dict[str, object]] = quietly(done).record["files"][0]["boxes"]
        return found

    everything = boxes(*ALL)
    assert boxes() == []
    green = boxes(*ALL, "--classes", "Green, 4")  # by name in any case, or by the set's number
    assert green == [one for one in everything if one["name"] in ("green", "red")]
    assert green == boxes(*ALL, "--classes", "green", "--classes", "red")
    middle = str(everything[50]["score"])
    assert 0 < len(boxes("--score", middle)) < 60
    assert len(boxes(*ALL, "--iou", "0.01")) < 100


def test_nothing_found_is_said(boxed: Road, tmp_path: Path) -> None:
    done = quietly(detect(boxed, picture(boxed), "-o", tmp_path))
    assert done.out == f"{tmp_path}/007-boxes.png  nothing of score 0.3 or more\n"
    assert (pixels(tmp_path / "007-boxes.png")[:4, :4] != 0).any()


def test_results_are_what_cocos_own_library_reads(boxed: Road, tmp_path: Path) -> None:
    from pycocotools.coco import COCO

    images = [picture(boxed, name) for name in ("007", "008", "009")]
    results = tmp_path / "results.json"
    words = (*images, "-o", tmp_path, "--results", results, "--json", *ALL)
    done = quietly(detect(boxed, *words))
    assert "results.json: 300 boxes; image_id: the files' names; category_id: the numbers of" in (
        done.err
    )
    truth = COCO(boxed.folder / "blocks" / "val.json")
    read = truth.loadRes(str(results))
    assert read.getImgIds() == [7, 8, 9]
    rows = read.loadAnns(read.getAnnIds(imgIds=[8]))
    names = {one["id"]: one["name"] for one in truth.loadCats([2, 4, 9])}
    shown = done.record["files"][1]["boxes"]
    assert [names[row["category_id"]] for row in rows] == [box["name"] for box in shown]
    lefts = [row["bbox"][0] + row["bbox"][2] for row in rows]
    np.testing.assert_allclose(lefts, [box["corners"][2] for box in shown], atol=2e-3)
    assert {one["file_name"] for one in json.loads(results.read_text())} == {
        "007.png", "008.png", "009.png",
    }  # fmt: skip


def test_a_video_stays_a_video(boxed: Road, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    make_video(folder / "clip.avi", 5, (96, 64), rate=12.5)
    shutil.copy(picture(boxed), folder / "street.png")
    results = tmp_path / "results.json"
    words = (folder, "-o", tmp_path / "out", *ALL, "--results", results)
    record = quietly(detect(boxed, *words, "--json")).record
    clip, street = record["files"]
    assert (clip["frames"], clip["announced_frames"], len(clip["boxes"])) == (5, 5, 500)
    assert [box["frame"] for box in clip["boxes"]] == [n for n in range(1, 6) for _ in range(100)]
    assert "frames" not in street
    with Video(Path(clip["output"])) as video:
        assert (video.rate, video.frames) == (12.5, 5)
        assert {frame.shape for frame in video} == {(256, 384, 3)}  # four times as large
    rows = json.loads(results.read_text())
    assert {row["image_id"] for row in rows if row["file_name"] == "clip.avi"} == {1, 2, 3, 4, 5}
    assert {row["image_id"] for row in rows if row["file_name"] == "street.png"} == {6}
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "clip-boxes.mp4", "street-boxes.png",
    ]  # fmt: skip
    done = quietly(detect(boxed, folder / "clip.avi", "-o", tmp_path / "drawn.mp4"))
    assert done.out == f"{tmp_path}/drawn.mp4  5 frames, nothing of score 0.3 or more\n"


def test_what_is_left_of_a_cut_video_is_kept_and_said(boxed: Road, tmp_path: Path) -> None:
    clip = cut(make_video(tmp_path / "clip.avi", 20), 0.4)
    done = quietly(detect(boxed, clip, "-o", tmp_path))
    (warning,) = (line for line in done.err.splitlines() if line.startswith("warning: "))
    with Video(tmp_path / "clip-boxes.mp4") as video:
        assert 3 < video.frames < 12
        assert f"ends after {video.frames} frames, its header tells of 20" in warning
        assert done.out.endswith(f"{video.frames} frames, nothing of score 0.3 or more\n")


@pytest.mark.parametrize("content", [b"", b"no video"])
def test_a_video_that_cannot_be_read_leaves_nothing(
    boxed: Road, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "clip.mp4").write_bytes(content)
    line = refused(detect(boxed, tmp_path / "clip.mp4", "-o", tmp_path / "out"), 3)
    assert "clip.mp4 is not a readable video" in line
    assert not (tmp_path / "out").exists()


def test_pictures_that_are_none_are_told(boxed: Road, tmp_path: Path) -> None:
    (tmp_path / "notes.jpg").write_text("no picture")
    words = (tmp_path / "notes.jpg", "-o", tmp_path)
    assert "notes.jpg is not a readable image" in refused(detect(boxed, *words), 3)
    assert "no image, video or folder gone.jpg" in refused(detect(boxed, "gone.jpg"), 3)
    (tmp_path / "empty").mkdir()
    line = refused(detect(boxed, tmp_path / "empty"), 3)
    assert "holds no image or video (.avi, .bmp, " in line


def test_outputs_that_clash_are_told(boxed: Road, tmp_path: Path) -> None:
    for name in ("a/x.png", "b/x.png", "c/x.png", "c/x-boxes.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(picture(boxed), tmp_path / name)
    one, other, folder = tmp_path / "a" / "x.png", tmp_path / "b" / "x.png", tmp_path / "c"
    results = ("--results", tmp_path / "r.json")
    for words, said in (
        ((one, other, "-o", tmp_path / "o"), "x.png would both be drawn to "),
        ((one, "-o", one), "x.png: is the image itself; choose another name"),
        ((folder, "-o", folder), "x-boxes.png: is one of the images; choose another name"),
        ((one, other, "-o", tmp_path / "o.png"), "one file for 2 images; name a folder"),
        ((one, "-o", tmp_path / "o.mp4"), "pictures are written as .png; name a .png file or a"),
        ((one, "-o", one / "o.png"), f"o.png cannot be written: {one} is a file"),
        ((one, "-o", tmp_path, "--results", one), "x.png is one of the pictures"),
        ((one, "-o", tmp_path, "--results", folder), "c is a folder; name a file"),
        ((folder / "x.png", "-o", tmp_path / "a", "--classes", "blu", *results), "mean 'blue'?"),
    ):
        assert said in refused(detect(boxed, *words), 2)
    assert len(list(tmp_path.rglob("*.*"))) == 4


def test_unknown_classes_are_told_with_those_there_are(boxed: Road, tmp_path: Path) -> None:
    words = (picture(boxed), "-o", tmp_path, "--classes")
    line = refused(detect(boxed, *words, "red,blu"), 2)
    assert line == (
        "topformer: --classes 'blu': no class of blocks; did you mean 'blue'? "
        "(it has blue, red, green)"
    )
    assert "--classes ''" in refused(detect(boxed, *words, ""), 2)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--score", "1.5"), "1.5 is not in the range 0<=x<1"),
        (("--score", "nan"), "expected a finite number"),
        (("--iou", "0"), "0.0 is not in the range 0<x<=1"),
        (("--size", "huge"), "'huge' is not one of"),
    ],
)
def test_wrong_numbers_are_told(nowhere: Road, words: tuple[str, str], said: str) -> None:
    done = detect(nowhere, "x.png", *words)
    assert done.code == 2
    assert said in " ".join(done.err.split())
    assert done.out == ""


def test_a_network_of_another_kind_is_told_with_its_command(road: Road, boxed: Road) -> None:
    last = RunDir(road.latest).weights("last")
    line = refused(detect(road, picture(boxed), "--model", last), 2)
    assert f"{last} is a network for segmentation; this command takes one for detection" in line
    assert line.endswith("; `topformer segment` draws what it sees")
    detector = RunDir(boxed.latest).weights("last")
    words = ("segment", picture(boxed), "--model", detector)
    line = refused(boxed.run(*words, cache=False), 2)
    assert f"{detector} is a network for detection" in line
    assert line.endswith("; `topformer detect` draws what it sees")


def test_no_run_for_detection_is_told(road: Road, boxed: Road, nowhere: Road) -> None:
    line = refused(detect(road, picture(boxed)), 2)
    assert "no run for detection under " in line
    assert "with a recipe for it, such as coco-retinanet, or name a run" in line
    assert "run `topformer train` first" in refused(detect(nowhere, picture(boxed)), 2)


def test_a_turned_photo_is_drawn_upright(boxed: Road, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.zeros((240, 360, 3), np.uint8)).save(tmp_path / "turned.jpg", exif=exif)
    quietly(detect(boxed, tmp_path / "turned.jpg", "-o", tmp_path))
    assert pixels(tmp_path / "turned-boxes.png").shape == (360, 240, 3)


def test_ctrl_c_leaves_whole_pictures_and_no_half_video(boxed: Road, tmp_path: Path) -> None:
    clip = make_video(tmp_path / "clip.avi", 3000, (32, 32))
    out = tmp_path / "out"
    words = ("detect", picture(boxed), clip, "-o", out, "--work-dir", boxed.runs, "--results")
    running = subprocess.Popen(
        [sys.executable, "-m", "topformer_cli", *words, tmp_path / "r.json"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])},
    )  # fmt: skip
    while running.poll() is None and not list(out.glob(".clip-boxes.mp4-*.mp4")):
        time.sleep(0.01)
    running.send_signal(signal.SIGINT)
    written, told = running.communicate()
    assert (running.returncode, written) == (130, "")
    assert told.splitlines()[-1] == "topformer: interrupted"
    assert [path.name for path in out.iterdir()] == ["007-boxes.png"]
    assert not (tmp_path / "r.json").exists()


@pytest.mark.parametrize("command", ["detect", "segment"])
def test_a_mistyped_name_is_told_before_torch_is_loaded(command: str) -> None:
    code = (
        "import sys; from topformer_cli import cli; "
        f"code = cli.run(['{command}', 'gone.jpg']); print(code, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "3 False\n"
    assert "gone.jpg" in done.stderr
