"""Pictures and videos of the user's: finding them, and naming what is drawn of them."""

import glob
import os
import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Final

from topformer_cli.api.reading import STDIO
from topformer_cli.data.sources.pairs import IMAGE_SUFFIXES
from topformer_cli.errors import DataError, UsageError

VIDEO_SUFFIXES: Final = frozenset({".mp4", ".avi", ".mov", ".mkv", ".webm"})


def is_video(path: Path) -> bool:
    """Return whether a file is a video by its name."""
    return path.suffix.lower() in VIDEO_SUFFIXES


def unit(sources: Sequence[Path]) -> str:
    """Return what is counted while files are drawn."""
    return "frames" if any(map(is_video, sources)) else "images"


def find_images(paths: Sequence[Path]) -> list[Path]:
    """Return the picture files named, in the folders named, and of patterns such as `a/**/*.jpg`.

    Raises:
        DataError: a path does not exist, or a folder or pattern has no picture.
    """
    return _find(paths, IMAGE_SUFFIXES, "image")


def find_sources(paths: Sequence[Path], output: Path | None) -> list[Path]:
    """Return the pictures and videos to draw, found as pictures are, or `-`, the one on stdin.

    Raises:
        DataError: a path does not exist, or a folder or pattern has neither.
        UsageError: stdin is read, and there are other files, nothing says where its picture goes,
            or nobody sends one.
    """
    if STDIO not in paths:
        return _find(paths, IMAGE_SUFFIXES | VIDEO_SUFFIXES, "image or video")
    _require_stdin(paths, output)
    return [STDIO]


def require_pictures(files: Sequence[Path]) -> None:
    """Check that label maps can be written of all files.

    Raises:
        UsageError: a video is among them.
    """
    video = next(filter(is_video, files), None)
    if video is not None:
        message = (
            f"{video}: --labels writes PNGs of pictures; cut the video into pictures first, "
            f"as in `ffmpeg -i {video} frames/%06d.png`, or leave it out"
        )
        raise UsageError(message)


def _find(paths: Sequence[Path], suffixes: Collection[str], what: str) -> list[Path]:
    found: dict[Path, Path] = {}
    for path in paths:
        inside = _named_by(path, what)
        if inside != [path]:
            inside = sorted(one for one in inside if one.suffix.lower() in suffixes)
        if not inside:
            holds = "holds no" if path.is_dir() else "matches no"
            message = f"{path} {holds} {what} ({', '.join(sorted(suffixes))})"
            raise DataError(message)
        found |= {one.absolute(): one for one in inside if one.absolute() not in found}
    return list(found.values())


def _require_stdin(paths: Sequence[Path], output: Path | None) -> None:
    """Check what goes with a picture on stdin."""
    if len(paths) > 1:
        message = "-: one picture is read from stdin; leave out the other files"
        raise UsageError(message)
    if output is None:
        message = "-: name what is written of stdin's picture: -o FILE.png, or -o - for stdout"
        raise UsageError(message)
    if sys.stdin.isatty():
        message = "-: stdin is the keyboard; send a picture there, as in `... - < photo.jpg`"
        raise UsageError(message)


def _named_by(path: Path, what: str) -> list[Path]:
    """Return a file itself, what lies directly in a folder, or the files that match a pattern."""
    if path.is_dir():
        return list(path.iterdir())
    if path.exists():
        return [path]
    if glob.has_magic(str(path)):
        matches = glob.glob(str(path), recursive=True)  # noqa: PTH207 - Path's takes none with root
        return [one for one in map(Path, matches) if one.is_file()]
    message = f"no {what.replace(' or ', ', ')} or folder {path}"
    raise DataError(message)


def output_names(sources: Sequence[Path], output: Path | None, kind: str) -> list[Path]:
    """Name one PNG for each picture, and an MP4 for each video: in the folder asked for.

    Raises:
        UsageError: one file was named for several pictures, two results would share a name, one
            would take the place of a picture, or there is no writing there.
    """
    if output == STDIO:
        _require_stdout(sources)
        return [STDIO]
    if output is not None and output.suffix and not output.is_dir():
        names = [_one_name(sources, output)]
    elif output is not None and output.is_file():
        message = f"-o {output}: is a file; name a {_suffix(sources[0])} file or a folder"
        raise UsageError(message)
    elif sources[0] == STDIO:
        message = f"-o {output}: stdin's picture has no name; name a .png file, or - for stdout"
        raise UsageError(message)
    else:
        folder = output or Path()
        names = [folder / f"{one.stem}-{kind}{_suffix(one)}" for one in sources]
    _require_apart(sources, names)
    for name in names:
        require_writable(name)
    return names


def _require_stdout(sources: Sequence[Path]) -> None:
    """Check that one picture can be written to stdout."""
    if len(sources) > 1:
        message = f"-o -: stdout takes one picture, not {len(sources)}; name a folder"
        raise UsageError(message)
    if is_video(sources[0]):
        message = f"-o -: a video cannot be written to stdout; name a {_suffix(sources[0])} file"
        raise UsageError(message)
    if sys.stdout.isatty():
        message = "-o -: stdout is the screen; send it somewhere, as in `... -o - > seen.png`"
        raise UsageError(message)


def _suffix(source: Path) -> str:
    return ".mp4" if is_video(source) else ".png"


def _one_name(sources: Sequence[Path], output: Path) -> Path:
    """Return the file named for a single picture or video."""
    suffix = _suffix(sources[0])
    if output.suffix.lower() != suffix:
        what = "videos" if is_video(sources[0]) else "pictures"
        message = f"-o {output}: {what} are written as {suffix}; name a {suffix} file or a folder"
        raise UsageError(message)
    if len(sources) > 1:
        message = f"-o {output}: one file for {len(sources)} images; name a folder"
        raise UsageError(message)
    return output


def _require_apart(sources: Sequence[Path], names: Sequence[Path]) -> None:
    """Check that every result has a name of its own, which is none of the pictures'."""
    given = {one.resolve(): one for one in sources}
    taken: dict[Path, Path] = {}
    for source, name in zip(sources, names, strict=True):
        place = name.resolve()
        if place in taken:
            message = (
                f"{taken[place]} and {source} would both be drawn to {name}; name them in two "
                "commands, each with a folder of its own (-o)"
            )
            raise UsageError(message)
        if place in given:
            itself = "is the image itself" if given[place] == source else "is one of the images"
            message = f"-o {name}: {itself}; choose another name or folder"
            raise UsageError(message)
        taken[place] = source


def require_own_file(path: Path, others: Sequence[Path]) -> None:
    """Check, before any work, that a file beside pictures is none of them and can be written.

    Raises:
        UsageError: it is one of them, a folder, or not writable.
    """
    if path.resolve() in {one.resolve() for one in others}:
        message = f"{path} is one of the pictures; choose another name"
        raise UsageError(message)
    require_writable(path)


def require_writable(path: Path) -> None:
    """Check, before any work, that a file can be written; folders of its may still be missing.

    Raises:
        UsageError: it is a folder, or the nearest folder that exists is a file or not writable.
    """
    if path.is_dir():
        message = f"{path} is a folder; name a file"
        raise UsageError(message)
    folder = next(one for one in path.absolute().parents if one.exists())
    if not folder.is_dir():
        message = f"{path} cannot be written: {folder} is a file"
        raise UsageError(message)
    if not os.access(folder, os.W_OK | os.X_OK):
        message = f"{path} cannot be written: {folder} is not writable"
        raise UsageError(message)
