"""Draw what a network finds in pictures and videos, and go on after what cannot be read."""

import contextlib
import sys
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from topformer_cli import draw
from topformer_cli.api.pictures import is_video
from topformer_cli.api.reading import STDIO, read_image
from topformer_cli.api.videos import Video, video_file
from topformer_cli.engine.task import Progress
from topformer_cli.errors import DataError
from topformer_cli.rundir import atomic_path

Found = TypeVar("Found")
Finds = TypeVar("Finds", covariant=True)

Paint = Callable[[NDArray[np.uint8]], tuple[Found, Image.Image]]
"""From a picture [H, W, 3] RGB to what was found in it, and that drawn."""


class Painter(Protocol[Finds]):
    """A network, and a way to draw what it finds."""

    def picture(self, image: NDArray[np.uint8], /) -> tuple[Finds, Image.Image]:
        """Look at a picture [H, W, 3] RGB."""
        ...

    def film(self) -> Paint[Finds]:
        """Begin with another video; its frames come one after the other."""
        ...


@dataclass(frozen=True, slots=True)
class Drawn(Generic[Found]):
    """A picture or video, the file that was drawn of it, and what is in each of its frames.

    announced is how many frames the header of a video tells of.
    """

    file: Path
    output: Path
    frames: tuple[Found, ...]
    announced: int = 0

    @property
    def cut(self) -> str | None:
        """Say that a video ended early, or None; headers may be a frame off."""
        if len(self.frames) >= self.announced - 1:
            return None
        return (
            f"{self.file} ends after {len(self.frames)} frames, its header tells of "
            f"{self.announced}: cut short or damaged; what could be read is in {self.output}"
        )

    @property
    def frames_told(self) -> str:
        """Say how many frames a video has."""
        return "1 frame" if len(self.frames) == 1 else f"{len(self.frames)} frames"

    def to_json(self) -> dict[str, Any]:
        """Return the files, and of a video the numbers of frames."""
        record: dict[str, Any] = {"file": str(self.file), "output": str(self.output)}
        if is_video(self.file):
            record |= {"frames": len(self.frames), "announced_frames": self.announced or None}
        return record


@dataclass(frozen=True, slots=True)
class Failed:
    """A file that could not be read, and why."""

    file: Path
    reason: str

    def to_json(self) -> dict[str, str]:
        """Return both as plain text."""
        return {"file": str(self.file), "reason": self.reason}


@dataclass(frozen=True, slots=True)
class Batch(Generic[Found]):
    """What was drawn of several files, and what could not be."""

    drawn: tuple[Drawn[Found], ...]
    failed: tuple[Failed, ...]

    @property
    def warnings(self) -> list[str]:
        """What is wrong with files, a line each."""
        return [one.reason for one in self.failed] + [one.cut for one in self.drawn if one.cut]

    def require_all(self) -> None:
        """Check that every file was read.

        Raises:
            DataError: some were not.
        """
        if self.failed:
            total = len(self.drawn) + len(self.failed)
            message = f"{len(self.failed)} of {total} files could not be read; they are named above"
            raise DataError(message)


def draw_files(
    painter: Painter[Found], files: Sequence[tuple[Path, Path]], progress: Progress
) -> Batch[Found]:
    """Draw pictures and videos; files are each with the one to write.

    Progress counts images and frames.

    Raises:
        DataError: the only file cannot be read.
    """
    lengths = [_announced(file) for file, _ in files]
    total = 0 if None in lengths else sum(one or 0 for one in lengths)
    done = 0
    drawn: list[Drawn[Found]] = []
    failed: list[Failed] = []
    for (file, output), announced in zip(files, lengths, strict=True):
        frames: list[Found] = []
        drawing = _video if is_video(file) else _image
        try:
            # Closed at once where it is interrupted, so that no half video waits for its removal.
            with contextlib.closing(drawing(painter, file, output)) as found:
                for one in found:
                    frames.append(one)
                    done += 1
                    progress(done, max(total, done) if total else 0)
        except DataError as error:
            if len(files) == 1:
                raise
            failed.append(Failed(file, str(error)))
            done += max((announced or 0) - len(frames), 0)
        else:
            drawn.append(Drawn(file, output, tuple(frames), announced or 0))
    return Batch(tuple(drawn), tuple(failed))


def _announced(path: Path) -> int | None:
    """Return how many frames there should be; None where a video does not say."""
    if not is_video(path):
        return 1
    try:
        with Video(path) as video:
            return video.frames or None
    except DataError:
        return 0  # told when its turn comes


def _image(painter: Painter[Found], file: Path, output: Path) -> Generator[Found, None, None]:
    found, picture = painter.picture(read_image(file))
    if output == STDIO:
        sys.stdout.buffer.write(draw.png(picture))
        sys.stdout.buffer.flush()
    else:
        with atomic_path(output) as part, part.open("wb") as target:
            draw.save_png(picture, target)
    yield found


def _video(painter: Painter[Found], file: Path, output: Path) -> Generator[Found, None, None]:
    """Draw a video, and yield what is in its frames; its own file has to be whole at the end."""
    with Video(file) as video, video_file(output, video.rate) as target:
        paint = painter.film()
        for image in video:
            found, picture = paint(image)
            target.append(np.asarray(picture))
            yield found
        if not target.frames:
            message = f"{file} holds no frame that can be read; copy or convert it again"
            raise DataError(message)
