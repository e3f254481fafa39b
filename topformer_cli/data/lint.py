"""What can be wrong with an image and its mask, each named with the file and the remedy."""

import contextlib
import io
import struct
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

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
from topformer_cli.data.findings import Finding, LintError
from topformer_cli.data.labels import Labels
from topformer_cli.data.orientation import SIDEWAYS, UPRIGHT
from topformer_cli.data.spec import IGNORE

FROM_ONE: Final = (
    "if masks count from 1, begin the class list with a line for 0, such as `none`, and add "
    "--ignore 0"
)
_EXIF_ORIENTATION: Final = 0x0112
_SMALL: Final = 32
"""Pixels that a side of the reduced image keeps, if it has as many."""
_UNREADABLE: Final = (OSError, SyntaxError, ValueError, struct.error, Image.DecompressionBombError)
"""What Pillow raises for files that are damaged."""


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """An image file that was decoded to its end.

    height and width are of the pixels as stored, orientation is the EXIF tag's, 1 without one.
    small is the image in grey, possibly reduced: each of its pixels stands for 8 / eighths.
    """

    height: int
    width: int
    orientation: int
    small: Pixels
    eighths: int


def read_image(data: bytes, place: str) -> ImageFacts:
    """Decode an image file to its end.

    Raises:
        LintError: the file is empty, truncated or no image.
    """
    remedy = "replace it, or remove it and its labels"
    if not data:
        raise LintError(Finding("empty", place, "is empty", remedy))
    try:
        with _opened(data) as image:
            width, height = image.size
            tag = image.getexif().get(_EXIF_ORIENTATION)
            small = _reduced_jpeg(data)
            if small is None:
                image.load()
                small = np.asarray(image.convert("L"), np.uint8)
    except _UNREADABLE as error:
        raise _unreadable(error, place, remedy) from error
    orientation = tag if isinstance(tag, int) and 1 <= tag <= 8 else UPRIGHT
    return ImageFacts(height, width, orientation, small, _eighths(small, height, width))


def image_size(data: bytes, place: str) -> tuple[int, int, int]:
    """Decode an image file to its end and return (height, width, EXIF orientation) as stored.

    Raises:
        LintError: the file is empty, truncated or no image.
    """
    facts = read_image(data, place)
    return facts.height, facts.width, facts.orientation


def mask_ids(data: bytes, labels: Labels, place: str) -> tuple[Pixels, bytes]:
    """Return a mask's [height, width] values and the PNG to keep, the same unless in colours.

    Raises:
        LintError: the file is no 8-bit PNG, is damaged, or has colours without a class.
    """
    remedy = "replace it, or remove it with its image"
    if not data:
        raise LintError(Finding("empty", place, "is empty", remedy))
    kind = png_kind(data)
    if kind is None:
        raise LintError(
            Finding("mask-format", place, "is not a PNG file", "save masks as 8-bit PNG")
        )
    try:
        with _opened(data) as mask:
            mask.load()
            values = np.asarray(mask.convert("RGB") if in_colours(kind) else mask)
    except _UNREADABLE as error:
        raise _unreadable(error, place, remedy) from error
    _require_eight_bits(kind, place)
    if in_colours(kind):
        ids = _ids_of_colours(values, labels, place)
        return ids, encode_png(ids)
    return values.astype(np.uint8), data


def in_colours(kind: tuple[int, int] | None) -> bool:
    """Say of what `png_kind` returned whether the file has red, green and blue."""
    return kind is not None and kind[1] in (PNG_RGB, PNG_RGBA)


def check_ids(
    counts: NDArray[np.int64], labels: Labels, place: str, *, published: bool = False
) -> None:
    """Refuse values that are neither a class nor ignored; counts has the pixels of each value.

    published says that nobody can change the class list.

    Raises:
        LintError: names the values, how many pixels have them, and what may be meant.
    """
    wrong = unknown_values(counts, labels)
    if not wrong:
        return
    pixels = int(sum(counts[value] for value in wrong))
    allowed = [value for value, train_id in enumerate(labels.id_map) if train_id != IGNORE]
    s = "s" if len(wrong) > 1 else ""
    what = (
        f": mask value{s} {', '.join(map(str, wrong[:8]))}{' ...' if len(wrong) > 8 else ''} "
        f"({pixels} pixels) outside the {len(allowed)} classes ({allowed[0]} to {allowed[-1]})"
    )
    remedy = f"correct the class list or the mask, or ignore the value{s} with --ignore {wrong[0]}"
    if published:
        remedy = "it is no mask of this set, or of another version; fetch the set again"
    elif wrong == [allowed[-1] + 1]:
        remedy = f"{FROM_ONE}; otherwise {remedy}"
    raise LintError(Finding("ids", place, what, remedy))


def value_counts(ids: Pixels) -> NDArray[np.int64]:
    """Return the pixels of each of the 256 values."""
    if ids.size < 1 << 24:  # OpenCV counts in half the time, and returns 32-bit floats
        counts = cv2.calcHist([ids], [0], None, [256], [0, 256])
        return np.asarray(counts.ravel(), np.int64)
    return np.bincount(ids.ravel(), minlength=256)


def unknown_values(counts: NDArray[np.int64], labels: Labels) -> list[int]:
    """Return the mask values that occur and are neither a class nor ignored."""
    return [int(value) for value in np.flatnonzero(counts) if int(value) not in labels.known]


def settle_orientation(
    image: tuple[int, int, int],
    labels: tuple[int, int],
    place: str,
    *,
    lenient: bool,
    of: str = "its mask",
) -> int:
    """Decide by the labels' size whether an EXIF orientation applies, and return what does.

    labels is the (height, width) of the mask, or what a JSON says; of is its name in messages. A
    tag that turns the image on its side applies if only the turned image fits. One that fits both
    ways is refused, or ignored where lenient.

    Raises:
        LintError: the sizes do not agree, or the tag cannot be decided.
    """
    height, width, orientation = image
    sideways = orientation in SIDEWAYS
    fits = (height, width) == labels
    fits_turned = ((width, height) if sideways else (height, width)) == labels
    if not fits and not fits_turned:
        what = f"is {width}x{height} and {of} {labels[1]}x{labels[0]}"
        remedy = "make them the same size (resize masks with nearest neighbour)"
        if of != "its mask":
            remedy = "correct the size there, and the boxes with it"
        raise LintError(Finding("size", place, what, remedy))
    if orientation == UPRIGHT or not fits_turned:
        return UPRIGHT
    if not fits:
        return orientation
    if lenient:
        return UPRIGHT
    what = f"has EXIF orientation {orientation} and {of} fits both ways"
    remedy = "rotate the pixels or remove the tag, so that image and labels agree"
    raise LintError(Finding("exif", place, what, remedy))


@contextlib.contextmanager
def _opened(data: bytes) -> Iterator[Image.Image]:
    # Pillow warns of large images, and of much in files that it reads or refuses all the same.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with Image.open(io.BytesIO(data)) as image:
            yield image


def _unreadable(error: Exception, place: str, remedy: str) -> LintError:
    reason = " ".join(str(error).split())[:120]
    if isinstance(error, UnidentifiedImageError):
        reason = "it is in no known format"
    what = f"cannot be read as an image ({reason})"
    return LintError(Finding("unreadable", place, what, remedy))


def _reduced_jpeg(data: bytes) -> Pixels | None:
    """Decode a JPEG to its end at a fraction of its size; None leaves the verdict to Pillow.

    Stray bytes between segments are common in published sets and harm nothing; a missing end does.
    """
    if not data.startswith(JPEG_SIGNATURE):
        return None
    try:
        pixels: Pixels = simplejpeg.decode_jpeg(
            data, "GRAY", fastdct=True, min_height=_SMALL, min_width=_SMALL, min_factor=1
        )
    except ValueError as error:
        if "premature end" in str(error).lower():
            raise
        return None
    return pixels[:, :, 0]


def _eighths(small: Pixels, height: int, width: int) -> int:
    """Return by how many eighths a JPEG was reduced; sizes are rounded up."""
    for eighths in range(1, 8):
        if small.shape == (-(-height * eighths // 8), -(-width * eighths // 8)):
            return eighths
    return 8


def _require_eight_bits(kind: tuple[int, int], place: str) -> None:
    bits, colour_type = kind
    remedy = "save it as an 8-bit PNG of class ids"
    if bits == 16:
        raise LintError(Finding("mask-16-bit", place, "has 16 bits a value", remedy))
    if in_colours(kind) or colour_type == PNG_PALETTE or kind == (8, PNG_GREY):
        return
    if colour_type & 4:
        raise LintError(Finding("mask-alpha", place, "is a grey PNG with an alpha channel", remedy))
    raise LintError(
        Finding(
            "mask-bits",
            place,
            f"is a grey PNG with {bits} bit{'s' if bits > 1 else ''} a value",
            remedy,
        )
    )


def _ids_of_colours(pixels: Pixels, labels: Labels, place: str) -> Pixels:
    if not labels.ids_by_colour:
        remedy = (
            "give every class its colour in the class file (name,red,green,blue), or save masks "
            "as 8-bit PNG of class ids"
        )
        raise LintError(Finding("mask-colours", place, "is in colours, not class ids", remedy))
    codes = _codes(pixels)
    table = sorted((r << 16 | g << 8 | b, id_) for (r, g, b), id_ in labels.ids_by_colour.items())
    known, values = np.array(table, np.int32).T
    places = np.searchsorted(known[:-1], codes)
    unknown = np.unique(codes[known[places] != codes])
    if unknown.size:
        code = int(unknown[0])
        red, green, blue = code >> 16, code >> 8 & 255, code & 255
        count = int(np.count_nonzero(codes == code))
        what = (
            f": colour {red},{green},{blue} ({count} pixels, {unknown.size} such colours) belongs "
            "to no class"
        )
        remedy = (
            "add a line for it to the class file (and --ignore its line number, from 0, if it has "
            "no class)"
        )
        raise LintError(Finding("mask-colours", place, what, remedy))
    return np.asarray(values, np.uint8)[places]


def _codes(pixels: Pixels) -> NDArray[np.int32]:
    red, green, blue = (channel.astype(np.int32) for channel in cv2.split(pixels))
    return np.asarray(red << 16 | green << 8 | blue, np.int32)
