"""Small videos, for what reads videos."""

from pathlib import Path

import cv2
import numpy as np

CODES = {".avi": "MJPG", ".mp4": "mp4v"}


def make_video(
    path: Path, frames: int, size: tuple[int, int] = (64, 48), rate: float = 10.0
) -> Path:
    """Write noise in (width, height) whose brightness grows from frame to frame."""
    code = cv2.VideoWriter.fourcc(*CODES[path.suffix])
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, code, rate, size)
    assert writer.isOpened()
    rng = np.random.default_rng(0)
    for number in range(frames):
        noise = rng.integers(0, 40, (size[1], size[0], 3))
        writer.write((noise + 200 * number / max(frames - 1, 1)).astype(np.uint8))
    writer.release()
    return path


def cut(path: Path, share: float) -> Path:
    """Leave only so much of a file."""
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path
