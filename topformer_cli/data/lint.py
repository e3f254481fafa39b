"""What can be wrong with an image and its mask, each named with the file and the remedy."""

import io
import warnings
from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image

from topformer_cli.data.decode import (
    JPEG_SIGNATURE,
    PNG_GREY,
    PNG_PALETTE,
    PNG_RGB,
    PNG_RGBA,
    Pixels,
    encode_png,
    png_kind,
)
from topformer_cli.data.labels import Labels
from topformer_cli.errors import DataError

SHOWN: Final = 20
_EXIF_ORIENTATION: Final = 0x0112
_UPRIGHT: Final = 1
_SIDEWAYS: Final = frozenset({5, 6, 7, 8})


def refuse_all(problems: Sequence[str]) -> None:
    """Raise one error for all problems found.

    Raises:
        DataError: there is a problem; at most 20 are named and the rest are counted.
    """
    if not problems:
        return
    if len(problems) == 1:
        raise DataError(problems[0])
    lines = [f"{len(problems)} problems in the data; nothing was prepared:"]
    lines += [f"  {problem}" for problem in problems[:SHOWN]]
    if len(problems) > SHOWN:
        lines.append(f"  and {len(problems) - SHOWN} more")
    message = "\n".join(lines)
    raise DataError(message)


def image_size(data: bytes, place: str) -> tuple[int, int, int]:
    """Decode an image file fully and return (height, width, EXIF orientation) as stored.

    Raises:
        DataError: the file is empty, truncated or no image.
    """
    if not data:
        message = f"{place} is empty; replace it, or remove it with its mask"
        raise DataError(message)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data)) as image:
                orientation = int(image.getexif().get(_EXIF_ORIENTATION, _UPRIGHT))
                width, height = image.size
                if not _jpeg_is_whole(data):
                    image.load()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        reason = " ".join(str(error).split()).replace(repr(data), "the file")[:120]
        message = (
            f"{place} cannot be read as an image ({reason}); replace it, or remove it with its mask"
        )
        raise DataError(message) from error
    return height, width, orientation if 1 <= orientation <= 8 else _UPRIGHT


def mask_ids(data: bytes, labels: Labels, place: str) -> tuple[Pixels, bytes]:
    """Return a mask's [height, width] values and the PNG to keep, the same unless in colours.

    Raises:
        DataError: the file is no 8-bit PNG, is damaged, or has colours without a class.
    """
    if not data:
        message = f"{place} is empty; replace it, or remove it with its image"
        raise DataError(message)
    kind = png_kind(data)
    if kind is None:
        message = f"{place} is not a PNG file; save masks as 8-bit PNG"
        raise DataError(message)
    try:
        with Image.open(io.BytesIO(data)) as opened:
            opened.load()
            in_colours = kind[1] in (PNG_RGB, PNG_RGBA)
            values = np.asarray(opened.convert("RGB") if in_colours else opened)
    except (OSError, SyntaxError, ValueError) as error:
        reason = " ".join(str(error).split())[:120]
        message = f"{place} cannot be read ({reason}); replace it, or remove it with its image"
        raise DataError(message) from error
    if kind[0] == 16:
        message = f"{place} has 16 bits a value; save it as an 8-bit PNG of class ids"
        raise DataError(message)
    if in_colours:
        ids = _ids_of_colours(values, labels, place)
        return ids, encode_png(ids)
    if kind[1] != PNG_PALETTE and kind != (8, PNG_GREY):
        what = "an alpha channel" if kind[1] & 4 else f"{kind[0]} bits a value"
        message = f"{place} is a grey PNG with {what}; save it as an 8-bit PNG of class ids"
        raise DataError(message)
    return values.astype(np.uint8), data


def check_ids(counts: NDArray[np.int64], labels: Labels, place: str) -> None:
    """Refuse values that are neither a class nor ignored; counts has the pixels of each value.

    Raises:
        DataError: names the values, how many pixels have them, and what may be meant.
    """
    wrong = [int(value) for value in np.flatnonzero(counts) if int(value) not in labels.known]
    if not wrong:
        return
    pixels = int(sum(counts[value] for value in wrong))
    allowed = [value for value, train_id in enumerate(labels.id_map) if train_id != 255]
    message = (
        f"{place}: mask value{'s' if len(wrong) > 1 else ''} {', '.join(map(str, wrong[:8]))}"
        f"{' ...' if len(wrong) > 8 else ''} ({pixels} pixels) outside the "
        f"{len(allowed)} classes ({allowed[0]} to {allowed[-1]}); correct the class list or the "
        f"mask, or ignore the value{'s' if len(wrong) > 1 else ''} with --ignore {wrong[0]}"
    )
    raise DataError(message)


def settle_orientation(
    image: tuple[int, int, int], mask: tuple[int, int], place: str, *, lenient: bool
) -> int:
    """Decide by the mask's size whether an EXIF orientation applies, and return the one that does.

    A tag that turns the image on its side applies if only the turned image fits the mask. One that
    fits both ways is refused, or ignored where lenient.

    Raises:
        DataError: the sizes do not agree, or the tag cannot be decided.
    """
    height, width, orientation = image
    sideways = orientation in _SIDEWAYS
    fits = (height, width) == mask
    fits_turned = ((width, height) if sideways else (height, width)) == mask
    if not fits and not fits_turned:
        message = (
            f"{place} is {width}x{height} and its mask {mask[1]}x{mask[0]}; "
            "make them the same size (resize masks with nearest neighbour)"
        )
        raise DataError(message)
    if orientation == _UPRIGHT or not fits_turned:
        return _UPRIGHT
    if not fits:
        return orientation
    if lenient:
        return _UPRIGHT
    message = (
        f"{place} has EXIF orientation {orientation} and its mask fits both ways; "
        "rotate the pixels or remove the tag, so that image and mask agree"
    )
    raise DataError(message)


def _jpeg_is_whole(data: bytes) -> bool:
    """Decode a JPEG; False leaves the verdict to Pillow.

    Stray bytes between segments are common in published sets and harm nothing; a missing end does.
    """
    if not data.startswith(JPEG_SIGNATURE):
        return False
    try:
        simplejpeg.decode_jpeg(data, "RGB", fastdct=True, fastupsample=True)
    except ValueError as error:
        if "premature end" in str(error).lower():
            raise
        return False
    return True


def _ids_of_colours(pixels: Pixels, labels: Labels, place: str) -> Pixels:
    if not labels.ids_by_colour:
        message = (
            f"{place} is in colours, not class ids; give every class its colour in the class file "
            "(name,red,green,blue), or save masks as 8-bit PNG of class ids"
        )
        raise DataError(message)
    codes = _codes(pixels)
    table = {r << 16 | g << 8 | b: value for (r, g, b), value in labels.ids_by_colour.items()}
    present, inverse = np.unique(codes, return_inverse=True)
    unknown = [int(code) for code in present if int(code) not in table]
    if unknown:
        code = unknown[0]
        red, green, blue = code >> 16, code >> 8 & 255, code & 255
        count = int(np.count_nonzero(codes == code))
        message = (
            f"{place}: colour {red},{green},{blue} ({count} pixels, {len(unknown)} such colours) "
            "belongs to no class; add a line for it to the class file (and --ignore its line "
            "number, from 0, if it has no class)"
        )
        raise DataError(message)
    values = np.array([table[int(code)] for code in present], np.uint8)
    return values[inverse].reshape(codes.shape)


def _codes(pixels: Pixels) -> NDArray[np.int32]:
    red, green, blue = (channel.astype(np.int32) for channel in cv2.split(pixels))
    return np.asarray(red << 16 | green << 8 | blue, np.int32)
