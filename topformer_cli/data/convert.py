"""Reads one image and its mask as people have them, and returns the row that is stored."""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from topformer_cli.data.decode import (
    JPEG_SIGNATURE,
    PNG_SIGNATURE,
    Pixels,
    decode_image,
    encode_png,
)
from topformer_cli.data.labels import Labels
from topformer_cli.data.lint import check_ids, image_size, mask_ids, settle_orientation
from topformer_cli.data.sources import Pair
from topformer_cli.errors import DataError


@dataclass(frozen=True, slots=True)
class Row:
    """One image of a prepared set; values has the pixels of each of the 256 mask values."""

    id: str
    image_name: str
    image: bytes
    mask: bytes
    height: int
    width: int
    values: NDArray[np.int64]


def read_row(pair: Pair, labels: Labels, *, lenient: bool) -> Row:
    """Read, check and convert a pair; bytes of JPEG and PNG images and of id masks are kept.

    Raises:
        DataError: something is wrong with the pair; names the file and the remedy.
    """
    image, mask = _read(pair.image), _read(pair.mask)
    size = image_size(image, str(pair.image))
    ids, mask = mask_ids(mask, labels, str(pair.mask))
    height, width = ids.shape
    turned = settle_orientation(size, (height, width), str(pair.image), lenient=lenient) != 1
    values = np.bincount(ids.ravel(), minlength=256)
    check_ids(values, labels, str(pair.mask))
    name = pair.image.name
    if turned:
        image, name = _turned(image), pair.image.with_suffix(".png").name
    elif not image.startswith((JPEG_SIGNATURE, PNG_SIGNATURE)):
        image, name = encode_png(decode_image(image)), pair.image.with_suffix(".png").name
    return Row(pair.id, name, image, mask, height, width, values)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        message = f"{path} cannot be read ({error.strerror}); check the file and its permissions"
        raise DataError(message) from error


def _turned(data: bytes) -> bytes:
    """Apply EXIF orientation to the pixels, without loss."""
    with Image.open(io.BytesIO(data)) as image:
        upright: Pixels = np.asarray(ImageOps.exif_transpose(image).convert("RGB"), np.uint8)
    return encode_png(upright)
