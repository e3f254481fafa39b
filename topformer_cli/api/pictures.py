"""Pictures of the user's: finding and reading them, and naming what is drawn of them."""

import os
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from topformer_cli.data.sources.pairs import IMAGE_SUFFIXES
from topformer_cli.errors import DataError, UsageError

VIDEO_SUFFIXES: Final = frozenset({".mp4", ".avi", ".mov", ".mkv", ".webm"})


def is_video(path: Path) -> bool:
    """Return whether a file is a video by its name."""
    return path.suffix.lower() in VIDEO_SUFFIXES


def read_image(path: Path) -> NDArray[np.uint8]:
    """Read a picture as RGB [H, W, 3], turned upright as its EXIF tag says.

    Raises:
        DataError: there is no such file or it is no picture.
    """
    try:
        with Image.open(path) as image:
            upright = ImageOps.exif_transpose(image).convert("RGB")
    except FileNotFoundError as error:
        message = f"no image {path}"
        raise DataError(message) from error
    except (UnidentifiedImageError, OSError) as error:
        message = f"{path} is not a readable image ({error})"
        raise DataError(message) from error
    return np.asarray(upright)


def find_images(paths: Sequence[Path]) -> list[Path]:
    """Return the picture files named, and those directly in the folders named.

    Raises:
        DataError: a path does not exist, or a folder holds no picture.
    """
    return _find(paths, IMAGE_SUFFIXES, "image")


def find_images_and_videos(paths: Sequence[Path]) -> list[Path]:
    """Return the picture and video files named, and those directly in the folders named.

    Raises:
        DataError: a path does not exist, or a folder holds neither.
    """
    return _find(paths, IMAGE_SUFFIXES | VIDEO_SUFFIXES, "image or video")


def _find(paths: Sequence[Path], suffixes: Collection[str], what: str) -> list[Path]:
    found: list[Path] = []
    for path in paths:
        if not path.exists():
            message = f"no {what.replace(' or ', ', ')} or folder {path}"
            raise DataError(message)
        inside = (
            sorted(p for p in path.iterdir() if p.suffix.lower() in suffixes)
            if path.is_dir()
            else [path]
        )
        if not inside:
            message = f"{path} holds no {what} ({', '.join(sorted(suffixes))})"
            raise DataError(message)
        found += inside
    return found


def output_names(sources: Sequence[Path], output: Path | None, kind: str) -> list[Path]:
    """Name one PNG for each picture, and an MP4 for each video: in the folder asked for.

    Raises:
        UsageError: one file was named for several pictures, two results would share a name, one
            would take the place of a picture, or there is no writing there.
    """
    if output is not None and output.suffix and not output.is_dir():
        names = [_one_name(sources, output)]
    elif output is not None and output.is_file():
        message = f"-o {output}: is a file; name a {_suffix(sources[0])} file or a folder"
        raise UsageError(message)
    else:
        folder = output or Path()
        names = [folder / f"{one.stem}-{kind}{_suffix(one)}" for one in sources]
    _require_apart(sources, names)
    for name in names:
        require_writable(name)
    return names


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
