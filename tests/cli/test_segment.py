"""`topformer segment`: overlays and label maps of pictures and videos; its mistakes."""

import io
import json
import os
import shutil
import subprocess
import sys
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
from topformer_cli.draw import IGNORE

CLASSES = 7

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
"""Of processes of their own."""


def segment(road: Road, *words: str | Path) -> Ran:
    return road.run("segment", *words, cache=False)


def piped(road: Road, *words: str | Path, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run the command in a process of its own, with bytes for stdin."""
    line = [sys.executable, "-m", "topformer_cli", "segment", *words, "--work-dir", road.runs]
    return subprocess.run(line, input=given, capture_output=True, env=ENVIRONMENT)


@pytest.fixture
def photos(road: Road, tmp_path: Path) -> Path:
    """A folder with pictures in it and below it, and something else."""
    for name in ("a.jpg", "b.jpg", "below/c.jpg", "below/deep/d.jpg"):
        (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(road.image, tmp_path / "photos" / name)
    (tmp_path / "photos" / "notes.txt").write_text("no picture")
    return tmp_path / "photos"


def names(done: Ran) -> list[str]:
    return [Path(line.split("  ")[0]).name for line in quietly(done).out.splitlines()]


def test_patterns_name_pictures(road: Road, photos: Path, tmp_path: Path) -> None:
    out = ("-o", tmp_path / "out")
    overlays = ["a-overlay.png", "b-overlay.png"]
    assert names(segment(road, photos / "*.jpg", *out)) == overlays
    assert names(segment(road, photos / "*", *out)) == overlays
    assert names(segment(road, photos, photos / "[a].jpg", *out)) == overlays
    everywhere = names(segment(road, photos / "**" / "*.jpg", *out))
    assert everywhere == [*overlays, "c-overlay.png", "d-overlay.png"]
    line = refused(segment(road, photos / "*.heic", *out), 3)
    assert "*.heic matches no image or video (.avi, .bmp, " in line


def test_a_file_named_like_a_pattern_is_a_file(road: Road, photos: Path, tmp_path: Path) -> None:
    odd = photos / "copy[1].jpg"
    shutil.copy(road.image, odd)
    assert names(segment(road, odd, "-o", tmp_path)) == ["copy[1]-overlay.png"]


def test_a_broken_picture_is_named_and_the_others_are_done(
    road: Road, photos: Path, tmp_path: Path
) -> None:
    broken = photos / "aa.jpg"
    broken.write_bytes(road.image.read_bytes()[:700])
    (photos / "clip.mp4").write_bytes(b"no video")
    out = tmp_path / "out"
    done = segment(road, photos, "-o", out, "--json")
    assert done.code == 3
    (*_, picture, video, last) = done.err.splitlines()
    assert picture.startswith(f"warning: {broken} is not a readable image (")
    assert video.startswith(f"warning: {photos / 'clip.mp4'} is not a readable video")
    assert last == "topformer: 2 of 4 files could not be read; they are named above"
    assert [Path(one["image"]).name for one in done.record["images"]] == ["a.jpg", "b.jpg"]
    assert [one["file"] for one in done.record["failed"]] == [
        str(broken), str(photos / "clip.mp4"),
    ]  # fmt: skip
    assert sorted(path.name for path in out.iterdir()) == ["a-overlay.png", "b-overlay.png"]


def test_a_single_broken_picture_leaves_nothing(road: Road, tmp_path: Path) -> None:
    (tmp_path / "x.jpg").write_bytes(road.image.read_bytes()[:700])
    line = refused(segment(road, tmp_path / "x.jpg", "-o", tmp_path / "out"), 3)
    assert "x.jpg is not a readable image (" in line
    assert not (tmp_path / "out").exists()


def test_labels_are_a_palette_picture_of_the_classes(road: Road, tmp_path: Path) -> None:
    record = quietly(
        segment(road, road.image, "--labels", "--json", "-o", tmp_path / "x.png")
    ).record
    with Image.open(tmp_path / "x.png") as drawn:
        assert drawn.mode == "P"
        assert len(drawn.getpalette() or []) == 3 * 256
        labels = np.asarray(drawn)
    assert labels.max() < CLASSES
    shares = record["images"][0]["shares"]
    assert list(shares.values()) == sorted(shares.values(), reverse=True)
    counts = np.bincount(labels.ravel(), minlength=IGNORE)
    assert sorted(counts[counts > 0] / labels.size) == pytest.approx(sorted(shares.values()))


def test_windows_see_a_picture_as_large_as_it_is(road: Road, tmp_path: Path) -> None:
    """The road's picture is 64x96: windows of 64 are three, one of 96 pixels is all of it."""

    def labels(name: str, *words: str) -> np.ndarray:
        target = tmp_path / name
        quietly(segment(road, road.image, "--labels", "-o", target, *words))
        return pixels(target)

    windows = labels("w.png", "--window", "64")
    assert windows.shape == (64, 96)
    assert np.array_equal(windows, labels("s.png", "--window", "64", "--stride", "42"))
    large = labels("l.png", "--window", "96")
    assert np.array_equal(large, labels("h.png", "--window", "512"))
    odd = np.ascontiguousarray(pixels(road.image)[:50, :33])
    Image.fromarray(odd).save(tmp_path / "odd.png")
    quietly(segment(road, tmp_path / "odd.png", "--labels", "-o", tmp_path, "--window", "32"))
    assert pixels(tmp_path / "odd-labels.png").shape == (50, 33)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--window", "500"), "--window 500: windows have multiples of 32 pixels, such as 512"),
        (("--window", "7"), "such as 32"),
        (("--stride", "9"), "--stride 9: it is between windows; give --window, too"),
        (
            ("--window", "64", "--stride", "65"),
            "leaves gaps between windows of 64; give 64 or less",
        ),
        (("-", "-o", "x.png"), "-: one picture is read from stdin; leave out the other files"),
        (("-o", "-", "x.mp4"), "-o -: stdout takes one picture, not 2; name a folder"),
        (("x.mp4", "--labels"), "x.mp4: --labels writes PNGs of pictures; cut the video into"),
    ],
)
def test_what_does_not_go_together_is_told(
    road: Road, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.mp4").touch()
    assert said in refused(segment(road, road.image, *words), 2)
    assert [path.name for path in tmp_path.iterdir()] == ["x.mp4"]


def test_stdin_needs_a_name_for_its_picture(road: Road, tmp_path: Path) -> None:
    assert "-o FILE.png, or -o - for stdout" in refused(segment(road, "-"), 2)
    line = refused(segment(road, "-", "-o", tmp_path), 2)
    assert "stdin's picture has no name; name a .png file, or - for stdout" in line
    (tmp_path / "x.mp4").touch()
    line = refused(segment(road, tmp_path / "x.mp4", "-o", "-"), 2)
    assert "a video cannot be written to stdout; name a .mp4 file" in line


def test_pictures_go_through_pipes(road: Road, tmp_path: Path) -> None:
    quietly(segment(road, road.image, "-o", tmp_path / "file.png"))
    ran = piped(road, "-", "-o", "-", "--json", given=road.image.read_bytes())
    told = ran.stderr.decode()
    assert ran.returncode == 0, told
    with Image.open(io.BytesIO(ran.stdout)) as drawn:
        assert np.array_equal(np.asarray(drawn), pixels(tmp_path / "file.png"))
    record = json.loads(told[told.index("{\n") :])
    assert (record["images"][0]["image"], record["images"][0]["output"]) == ("-", "-")


def test_a_broken_picture_on_stdin_is_told(road: Road, tmp_path: Path) -> None:
    ran = piped(road, "-", "-o", tmp_path / "out" / "x.png", given=b"no picture")
    assert (ran.returncode, ran.stdout) == (3, b"")
    assert "the picture on stdin is not a readable image" in ran.stderr.decode().splitlines()[-1]
    assert not (tmp_path / "out").exists()


def test_a_video_gets_overlays_and_one_legend(road: Road, tmp_path: Path) -> None:
    clip = make_video(tmp_path / "clip.avi", 5, (96, 64), rate=12.5)
    done = quietly(segment(road, clip, road.image, "-o", tmp_path / "out", "--json"))
    (one,) = done.record["videos"]
    assert (one["video"], one["frames"], one["announced_frames"]) == (str(clip), 5, 5)
    assert sum(one["shares"].values()) == pytest.approx(1)
    assert len(done.record["images"]) == 1
    with Video(Path(one["output"])) as video:
        assert (video.rate, video.frames) == (12.5, 5)
        frames = list(video)
    assert {frame.shape for frame in frames} == {frames[0].shape}
    assert frames[0].shape[0] > 64
    done = quietly(segment(road, clip, "-o", tmp_path / "seen.mp4"))
    assert done.out.startswith(f"{tmp_path / 'seen.mp4'}  5 frames, ")


def test_a_cut_video_is_drawn_as_far_as_it_goes(road: Road, tmp_path: Path) -> None:
    clip = cut(make_video(tmp_path / "clip.avi", 20), 0.4)
    done = quietly(segment(road, clip, "-o", tmp_path))
    assert "its header tells of 20: cut short or damaged" in done.err
    with Video(tmp_path / "clip-overlay.mp4") as video:
        assert 3 < video.frames < 12


def test_a_full_disk_leaves_nothing_half_written(road: Road, tmp_path: Path) -> None:
    target = tmp_path / "out" / "x.png"
    with files_end_at(1000):
        line = refused(segment(road, road.image, "-o", target), 1)
    assert str(target) in line
    assert "free some space" in line
    assert list(target.parent.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("words", [(), ("--labels",), ("--window", "512")], ids=str)
def test_50_megapixels_take_less_than_2_gib(
    road: Road, tmp_path: Path, words: tuple[str, ...]
) -> None:
    Image.new("RGB", (8660, 5774), (90, 120, 160)).save(tmp_path / "photo.jpg")
    program = (
        "import resource, sys; from topformer_cli import cli; code = cli.run(sys.argv[1:]);"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss); sys.exit(code)"
    )
    line = [sys.executable, "-c", program, "segment", tmp_path / "photo.jpg", "-o", tmp_path]
    ran = subprocess.run(
        [*line, "--work-dir", road.runs, *words], capture_output=True, text=True, env=ENVIRONMENT
    )
    assert ran.returncode == 0, ran.stderr
    assert int(ran.stdout.splitlines()[-1]) < 2 << 20  # KiB
