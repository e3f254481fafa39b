"""Pictures of the user's, of any kind that Pillow knows, as RGB.

Sides are as the EXIF tag turns them. What is transparent lies on white. 16-bit values are scaled to
8 bits, not cut off. Of several pictures in a file the first counts.
"""

import contextlib
import io
import struct
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from topformer_cli.errors import DataError

STDIO: Final = Path("-")
"""The name of a picture on stdin, or on stdout."""

LARGEST: Final = 1 << 28
"""Pixels of the largest picture that is taken: phones make 200 million, a bomb has billions."""

_BAND: Final = 1 << 20
"""Pixels that are brought to RGB at a time: a copy of a large photo is hundreds of MB."""

_UNREADABLE: Final = (OSError, SyntaxError, ValueError, EOFError, struct.error)
"""What Pillow raises for files that are damaged."""


def read_image(path: Path) -> NDArray[np.uint8]:
    """Read a picture as RGB [H, W, 3]; `-` is the one on stdin.

    Raises:
        DataError: there is no such file, or it is no picture, damaged or too large.
    """
    name = "the picture on stdin" if path == STDIO else str(path)
    source = io.BytesIO(sys.stdin.buffer.read()) if path == STDIO else path
    try:
        with _whatever_its_size(), Image.open(source) as image:
            _require_size(image, name)
            ImageOps.exif_transpose(image, in_place=True)
            return _as_rgb(image)
    except FileNotFoundError as error:
        message = f"no image {path}"
        raise DataError(message) from error
    except UnidentifiedImageError as error:
        why = "empty, damaged or of a kind that is not known here; convert it to JPEG or PNG"
        message = f"{name} is not a readable image ({why})"
        raise DataError(message) from error
    except _UNREADABLE as error:
        message = f"{name} is not a readable image ({error})"
        raise DataError(message) from error


@contextlib.contextmanager
def _whatever_its_size() -> Iterator[None]:
    """Keep Pillow from its own limit, 89 million pixels, and from telling of odd tags."""
    usual = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        Image.MAX_IMAGE_PIXELS = usual


def _require_size(image: Image.Image, name: str) -> None:
    if image.width * image.height > LARGEST:
        message = (
            f"{name} has {image.width}x{image.height} pixels; up to {LARGEST // 1_000_000} million "
            "are taken, so make it smaller or cut it up"
        )
        raise DataError(message)


def _as_rgb(image: Image.Image) -> NDArray[np.uint8]:
    pixels = np.empty((image.height, image.width, 3), np.uint8)
    rows = max(1, _BAND // image.width)
    for top in range(0, image.height, rows):
        bottom = min(top + rows, image.height)
        pixels[top:bottom] = _band_as_rgb(image.crop((0, top, image.width, bottom)))
    return pixels


def _band_as_rgb(band: Image.Image) -> NDArray[np.uint8]:
    if band.mode.startswith("I"):
        return _eight_bits(np.asarray(band))
    if band.mode == "F":
        message = "its values are fractions; save it with 8 or 16 bits a colour"
        raise ValueError(message)
    if band.has_transparency_data:
        paper = Image.new("RGBA", band.size, "white")
        paper.alpha_composite(band.convert("RGBA"))
        band = paper
    return np.asarray(band.convert("RGB"))


def _eight_bits(values: NDArray[np.integer]) -> NDArray[np.uint8]:
    """Scale grey values 0..65535 to RGB 0..255."""
    if values.min() < 0 or values.max() > 0xFFFF:
        message = "its values have 32 bits; save it with 8 or 16 bits a colour"
        raise ValueError(message)
    grey = (values.astype(np.uint32) * 255 + 0x7FFF) // 0xFFFF
    return np.repeat(grey.astype(np.uint8)[..., None], 3, axis=2)
