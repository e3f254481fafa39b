"""Videos: frames out of a file, and frames into one, through OpenCV's FFmpeg."""

import contextlib
import math
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from topformer_cli.errors import DataError, TopformerError
from topformer_cli.rundir import atomic_path

USUAL_RATE: Final = 25.0
"""Frames a second where a file does not say."""

MOST_RATE: Final = 1000.0
"""Frames a second above which a file tells the ticks of its clock."""

# FFmpeg's own complaints go around every log; what is wrong with a file is told in our one line.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep OpenCV from telling, too, what is wrong with a file."""
    level = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        cv2.utils.logging.setLogLevel(level)


class Video:
    """A video that is open for reading.

    frames is how many its header announces, 0 where it does not; rate is frames a second.

    Raises:
        DataError: it is no video, or damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with _quiet():
            self.capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
        if not self.capture.isOpened():
            message = (
                f"{path} is not a readable video: empty, cut short before its index, or of an "
                "unknown kind; copy or convert it again"
            )
            raise DataError(message)
        self.frames = max(0, int(self.capture.get(cv2.CAP_PROP_FRAME_COUNT)))
        rate = float(self.capture.get(cv2.CAP_PROP_FPS))
        self.rate = rate if math.isfinite(rate) and 0 < rate <= MOST_RATE else USUAL_RATE

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.capture.release()

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        """Yield frames [H, W, 3] RGB, up to the first that cannot be read."""
        while True:
            done, frame = self.capture.read()
            if not done:
                return
            yield np.asarray(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB), np.uint8)


class VideoFile:
    """An MP4 (MPEG-4 part 2, which needs no library that may be missing) that is being written.

    Its frames have the size of the first one; sides that are odd lose a pixel.
    """

    def __init__(self, path: Path, rate: float) -> None:
        self.path, self.rate = path, rate
        self.writer: cv2.VideoWriter | None = None
        self.size = (0, 0)
        self.frames = 0

    def append(self, frame: NDArray[np.uint8]) -> None:
        """Write a frame [H, W, 3] RGB."""
        if self.writer is None:
            self.size = frame.shape[1], frame.shape[0]
            self.writer = self._open()
        if (frame.shape[1], frame.shape[0]) != self.size:  # OpenCV would leave it out
            frame = np.asarray(cv2.resize(frame, self.size), np.uint8)
        with _quiet():
            self.writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
        self.frames += 1

    def _open(self) -> cv2.VideoWriter:
        code = cv2.VideoWriter.fourcc(*"mp4v")
        with _quiet():
            writer = cv2.VideoWriter(str(self.path), cv2.CAP_FFMPEG, code, self.rate, self.size)
        if not writer.isOpened():
            width, height = self.size
            message = f"no MP4 of {width}x{height} at {self.rate:g} frames a second can be written"
            raise TopformerError(message)
        return writer

    def close(self) -> None:
        """End the file."""
        if self.writer is not None:
            with _quiet():
                self.writer.release()


@contextlib.contextmanager
def video_file(path: Path, rate: float) -> Iterator[VideoFile]:
    """Yield an MP4 that takes its name when the block ends, if it is whole then.

    Raises:
        TopformerError: it is not.
    """
    with atomic_path(path, suffix=".mp4") as part:
        file = VideoFile(part, rate)
        try:
            yield file
        finally:
            file.close()
        if not file.frames or _written(part) != file.frames:
            message = (
                f"{path} cannot be written whole: the disk is full, most likely; free some space "
                "or choose another place, then type the same line again"
            )
            raise TopformerError(message)


def _written(path: Path) -> int:
    """Return the frames of a file; OpenCV does not tell of writing that fails."""
    try:
        with Video(path) as video:
            return video.frames
    except DataError:
        return 0
