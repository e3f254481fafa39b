"""From the bytes of an image or a mask file to pixels.

simplejpeg reads JPEG, OpenCV the other images and grey masks, Pillow palette masks (OpenCV would
turn those into colours). Nobody applies EXIF orientation: prepare has settled it.
"""

import functools
import io
from typing import Final

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image

from topformer_cli.errors import DataError

Pixels = NDArray[np.uint8]

JPEG_SIGNATURE: Final = b"\xff\xd8\xff"
PNG_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
PNG_GREY, PNG_RGB, PNG_PALETTE, PNG_RGBA = 0, 2, 3, 6
"""Colour types of a PNG's header (PNG specification, 11.2.1)."""


def decode_image(data: bytes, *, fast: bool = False) -> Pixels:
    """Decode an image file to [height, width, 3] RGB.

    fast takes the quicker inverse DCT and chroma upsampling of JPEG, for training.

    Raises:
        DataError: the bytes are no image.
    """
    if data.startswith(JPEG_SIGNATURE):
        try:
            return _decode_jpeg(data, fast=fast)
        except ValueError:
            pass  # CMYK and other rare kinds, which OpenCV knows
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    pixels = _imdecode(data, flags)
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), np.uint8)


def decode_ids(data: bytes) -> Pixels:
    """Decode an 8-bit grey or palette PNG to its [height, width] values as stored.

    Raises:
        DataError: the bytes are no such file.
    """
    kind = png_kind(data)
    if kind == (8, PNG_GREY):
        pixels = _imdecode(data, cv2.IMREAD_UNCHANGED)
        if pixels.ndim == 2:
            return pixels
    if kind is not None and kind[1] in (PNG_GREY, PNG_PALETTE):
        return np.array(Image.open(io.BytesIO(data)), np.uint8)
    message = "a mask is neither an 8-bit grey nor a palette PNG"
    raise DataError(message)


def decode_mask(data: bytes, id_map: tuple[int, ...]) -> Pixels:
    """Decode a mask to [height, width] train ids, 255 where the pixel does not count."""
    ids = decode_ids(data)
    return np.asarray(cv2.LUT(ids, _table(id_map), dst=ids), np.uint8)


def png_kind(data: bytes) -> tuple[int, int] | None:
    """Return (bit depth, colour type) of a PNG, None for other files."""
    if not data.startswith(PNG_SIGNATURE) or len(data) < 26:
        return None
    return data[24], data[25]


def encode_png(pixels: Pixels) -> bytes:
    """Encode [height, width] ids or [height, width, 3] RGB as PNG."""
    if pixels.ndim == 3:
        pixels = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), np.uint8)
    done, data = cv2.imencode(".png", pixels)
    assert done
    return bytes(data.tobytes())


def _decode_jpeg(data: bytes, *, fast: bool) -> Pixels:
    # strict=False: stray bytes between segments are common in real sets; prepare refused
    # truncated files.
    pixels: Pixels = simplejpeg.decode_jpeg(
        data, "RGB", fastdct=fast, fastupsample=fast, strict=False
    )
    return pixels


def _imdecode(data: bytes, flags: int) -> Pixels:
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        message = f"the image cannot be decoded ({' '.join(str(error).split())})"
        raise DataError(message) from error
    if pixels is None:
        message = "the image cannot be decoded"
        raise DataError(message)
    return np.asarray(pixels, np.uint8)


@functools.lru_cache(maxsize=16)
def _table(id_map: tuple[int, ...]) -> Pixels:
    return np.array(id_map, np.uint8)
