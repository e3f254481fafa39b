"""EXIF orientation: applied to the pixels, or taken off a file whose pixels are right as they are.

Prepared images carry none: `datasets` would turn an image by it, and leave its mask as it is.
Places in the file: Exif 2.32, 4.6.2 (a TIFF directory in the APP1 segment of a JPEG file).
"""

import io
from typing import Final, Literal

import numpy as np
from PIL import Image, ImageOps

from topformer_cli.data.decode import JPEG_SIGNATURE, Pixels, decode_image, encode_png

UPRIGHT: Final = 1
SIDEWAYS: Final = frozenset({5, 6, 7, 8})
"""The orientations that change height for width."""
_TAG: Final = 0x0112


def upright_png(data: bytes) -> bytes:
    """Return an image with its EXIF orientation applied to the pixels, as PNG."""
    with Image.open(io.BytesIO(data)) as image:
        upright: Pixels = np.asarray(ImageOps.exif_transpose(image).convert("RGB"), np.uint8)
    return encode_png(upright)


def without_tag(data: bytes) -> bytes:
    """Return an image that says it is upright, with the pixels as they are stored.

    A JPEG file stays one, with the tag's value overwritten, wherever that is possible; otherwise
    the pixels become a PNG.
    """
    changed = bytearray(data)
    if found := _place(data):
        start, order = found
        changed[start : start + 2] = UPRIGHT.to_bytes(2, order)
    if orientation_of(bytes(changed)) == UPRIGHT:
        return bytes(changed)
    return encode_png(decode_image(data))


def orientation_of(data: bytes) -> int:
    """Return the EXIF orientation of an image file, 1 to 8; 1 where it has none."""
    with Image.open(io.BytesIO(data)) as image:
        tag = image.getexif().get(_TAG, UPRIGHT)
    return tag if isinstance(tag, int) and 1 <= tag <= 8 else UPRIGHT


Order = Literal["little", "big"]


def _place(data: bytes) -> tuple[int, Order] | None:
    """Return where the value of a JPEG's orientation tag is, and its byte order."""
    if not data.startswith(JPEG_SIGNATURE):
        return None
    segment = 2
    while segment + 4 <= len(data) and data[segment] == 0xFF and data[segment + 1] != 0xDA:
        if data[segment + 1] == 0xE1 and data[segment + 4 : segment + 10] == b"Exif\0\0":
            return _in_directory(data, segment + 10)
        segment += 2 + int.from_bytes(data[segment + 2 : segment + 4], "big")
    return None


def _in_directory(data: bytes, start: int) -> tuple[int, Order] | None:
    order: Order = "little" if data[start : start + 2] == b"II" else "big"

    def number(place: int, size: int) -> int:
        return int.from_bytes(data[place : place + size], order)

    directory = start + number(start + 4, 4)
    for index in range(number(directory, 2)):
        entry = directory + 2 + 12 * index
        if number(entry, 2) == _TAG:
            return entry + 8, order
    return None
