"""Makes files right where only one way is right; nothing is written here."""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from topformer_cli.data.decode import JPEG_SIGNATURE, PNG_GREY, Pixels, encode_png, png_kind
from topformer_cli.data.findings import Finding, Kind, LintError
from topformer_cli.data.forms.segmentation import read_mask
from topformer_cli.data.lint import (
    in_colours,
    mask_ids,
    read_image,
    settle_orientation,
)
from topformer_cli.data.orientation import UPRIGHT, upright_png, without_tag
from topformer_cli.data.sources.source import Blob, Boxes, Item, Reading

_GREY_ALPHA: Final = 4
_SPREAD: Final = {1: 1, 2: 85, 4: 17}
"""What Pillow multiplies values of so many bits by."""


@dataclass(frozen=True, slots=True)
class Mended:
    """The right content of a file, the name it takes, and what was done."""

    kind: Kind
    path: Path
    target: Path
    data: bytes
    what: str


def mend_mask(item: Item, reading: Reading) -> Mended:
    """Return a mask as an 8-bit PNG of the same values, or of the ids of its colours.

    Raises:
        LintError: its values do not fit, or mean more than ids.
    """
    assert isinstance(item.target, Blob)
    data, place = item.target.read(), str(item.target)
    bits, colour_type = png_kind(data) or (0, 0)
    kind: Kind
    if in_colours((bits, colour_type)) and bits == 8:
        kind, what = "mask-colours", "colours became class ids"
        ids, _ = mask_ids(data, reading.labels, place)
    elif colour_type == PNG_GREY and bits == 16:
        kind, what = "mask-16-bit", "16 bits a value became 8"
        ids = _narrow(data, place)
    elif colour_type == PNG_GREY and bits in _SPREAD:
        kind, what = "mask-bits", f"{bits} bit{'s' if bits > 1 else ''} a value became 8"
        ids = np.asarray(Image.open(io.BytesIO(data)), np.uint8) // _SPREAD[bits]
    elif (bits, colour_type) == (8, _GREY_ALPHA):
        kind, what = "mask-alpha", "an opaque alpha channel was taken off"
        ids = _without_alpha(data, place)
    else:
        what = f"is a PNG of colour type {colour_type} with {bits} bits a value"
        raise LintError(Finding("mask-format", place, what, "save it as 8-bit PNG of class ids"))
    path = item.target.path
    return Mended(kind, path, path, encode_png(ids), what)


def mend_image(item: Item, reading: Reading) -> Mended:
    """Return an image with its EXIF orientation applied to the pixels, or without the tag.

    Turned pixels become a PNG file, which loses nothing; a wrong tag is overwritten in place.

    Raises:
        LintError: the tag cannot be decided, or not be taken off.
    """
    data, place, path = item.image.read(), str(item.image), item.image.path
    facts = read_image(data, place)
    stored = (facts.height, facts.width, facts.orientation)
    applied = settle_orientation(stored, _labels_size(item, reading), place, lenient=False)
    if applied == UPRIGHT:
        what = f"a wrong EXIF orientation {facts.orientation} was set to 1"
        return Mended("exif", path, path, _without_tag(data, place), what)
    if isinstance(item.target, Boxes):
        what = f"has EXIF orientation {applied}, and turned it would have another name"
        raise LintError(Finding("exif", place, what, "prepare applies the tag"))
    target = path.with_suffix(".png")
    if target != path and target.exists():
        raise LintError(Finding("exif", place, f"would become {target}", "which is there already"))
    what = f"EXIF orientation {applied} was applied to the pixels, saved as PNG"
    return Mended("exif", path, target, upright_png(data), what)


def _labels_size(item: Item, reading: Reading) -> tuple[int, int]:
    if isinstance(item.target, Boxes):
        return item.target.height, item.target.width
    height, width = read_mask(item, reading)[0].shape
    return height, width


def _narrow(data: bytes, place: str) -> Pixels:
    values = np.asarray(Image.open(io.BytesIO(data)))
    if (highest := int(values.max())) > 255:
        what = f"has values up to {highest}, which do not fit 8 bits"
        raise LintError(Finding("mask-16-bit", place, what, "save it as 8-bit PNG of class ids"))
    return values.astype(np.uint8)


def _without_alpha(data: bytes, place: str) -> Pixels:
    values, alpha = np.moveaxis(np.asarray(Image.open(io.BytesIO(data)), np.uint8), 2, 0)
    if alpha.min() < 255:
        what = "has an alpha channel that is not opaque, and may mean something"
        raise LintError(Finding("mask-alpha", place, what, "save it as 8-bit PNG of class ids"))
    return np.ascontiguousarray(values)


def _without_tag(data: bytes, place: str) -> bytes:
    """Take the tag off a file that keeps its kind and name."""
    mended = without_tag(data)
    if mended.startswith(JPEG_SIGNATURE) or not data.startswith(JPEG_SIGNATURE):
        return mended
    what = "has an EXIF orientation that can only be taken off by saving the image again"
    raise LintError(Finding("exif", place, what, "prepare takes the pixels as they are stored"))
