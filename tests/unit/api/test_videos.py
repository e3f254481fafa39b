"""Videos are read frame by frame, and written whole or not at all."""

from pathlib import Path

import numpy as np
import pytest

from tests.fakes.videos import cut, make_video
from topformer_cli.api.videos import USUAL_RATE, Video, video_file
from topformer_cli.errors import DataError, TopformerError


@pytest.mark.parametrize("name", ["clip.mp4", "clip.avi"])
def test_frames_come_in_order_as_rgb(tmp_path: Path, name: str) -> None:
    with Video(make_video(tmp_path / name, 5, rate=12.5)) as video:
        frames = list(video)
        assert (video.frames, video.rate) == (5, 12.5)
    assert {frame.shape for frame in frames} == {(48, 64, 3)}
    brightness = [float(frame.mean()) for frame in frames]
    assert brightness == sorted(brightness)
    assert brightness[-1] - brightness[0] > 150


def test_a_video_that_is_cut_ends_early(tmp_path: Path) -> None:
    with Video(cut(make_video(tmp_path / "clip.avi", 20), 0.5)) as video:
        assert video.frames == 20
        assert 5 <= len(list(video)) <= 12


@pytest.mark.parametrize("content", [b"", b"hello" * 100])
def test_what_is_no_video_is_told(
    tmp_path: Path, content: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "clip.mp4").write_bytes(content)
    with pytest.raises(DataError, match=r"clip.mp4 is not a readable video"):
        Video(tmp_path / "clip.mp4")
    assert capfd.readouterr() == ("", "")


def written(path: Path, shapes: list[tuple[int, int]], rate: float = 10.0) -> list[np.ndarray]:
    with video_file(path, rate) as file:
        for shape in shapes:
            image = np.zeros((*shape, 3), np.uint8)
            image[..., 0] = 200
            file.append(image)
    with Video(path) as video:
        assert video.rate == pytest.approx(rate, abs=1e-3)
        return list(video)


def test_frames_are_written_as_they_are(tmp_path: Path) -> None:
    frames = written(tmp_path / "out" / "drawn.mp4", [(48, 64)] * 3, 29.97)
    assert [frame.shape for frame in frames] == [(48, 64, 3)] * 3
    red, green, blue = frames[1].mean(axis=(0, 1))
    assert red > 190
    assert max(green, blue) < 10
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["drawn.mp4"]


def test_odd_sides_lose_a_pixel_and_all_frames_have_the_first_ones_size(tmp_path: Path) -> None:
    frames = written(tmp_path / "drawn.mp4", [(49, 65), (49, 65), (20, 30)])
    assert [frame.shape for frame in frames] == [(48, 64, 3)] * 3


def test_nothing_is_left_of_a_video_that_was_not_finished(tmp_path: Path) -> None:
    def begun(path: Path) -> None:
        with video_file(path, USUAL_RATE) as file:
            file.append(np.zeros((48, 64, 3), np.uint8))
            assert len(list(tmp_path.iterdir())) == 1
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        begun(tmp_path / "drawn.mp4")
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(TopformerError, match=r"no MP4 of 1x1 at 10 frames a second"):
        written(tmp_path / "drawn.mp4", [(1, 1)])
    with pytest.raises(TopformerError, match=r"drawn.mp4 cannot be written whole"):
        written(tmp_path / "drawn.mp4", [])
    assert list(tmp_path.iterdir()) == []
