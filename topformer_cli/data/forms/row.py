"""A row of a prepared set, and what the forms share."""

from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from topformer_cli.data.card import LabelFacts
from topformer_cli.data.decode import JPEG_SIGNATURE, PNG_SIGNATURE, decode_image, encode_png
from topformer_cli.data.labels import Labels
from topformer_cli.data.orientation import UPRIGHT, upright_png, without_tag
from topformer_cli.data.sources.source import Blob, Item, Reading


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """An image file as it is stored; height and width in pixels, upright."""

    name: str
    data: bytes
    height: int
    width: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One image of a prepared set.

    columns are the label columns of its form, signature what the fingerprint takes of them.
    counts has what a form counts by label: pixels of each of the 256 mask values, boxes of each
    class, or the image itself. labelled is how many of them have a class and count, ignored how
    many do not.
    """

    id: str
    picture: Picture
    columns: dict[str, Any]
    signature: bytes
    counts: NDArray[np.int64]
    labelled: int
    ignored: int = 0


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over the rows of a split: counts and images by label; labelled is still by row."""

    counts: NDArray[np.int64]
    images: NDArray[np.int64]
    labelled: tuple[int, ...]
    ignored: int


class Form(Protocol):
    """How the images of one task are read and stored."""

    def features(self, classes: tuple[str, ...]) -> dict[str, Any]:
        """Return the label columns, as types of the `datasets` library."""
        ...

    def read_row(self, item: Item, reading: Reading) -> Row:
        """Read, check and convert an item.

        Raises:
            DataError: something is wrong with it; names the file and the remedy.
        """
        ...

    def signature(self, columns: dict[str, Any]) -> bytes:
        """Return what the fingerprint takes of the label columns of a row."""
        ...

    def label_facts(self, labels: Labels, totals: Totals) -> LabelFacts:
        """Return what the card says of the labels of one split."""
        ...


def stored_picture(
    blob: Blob, data: bytes, size: tuple[int, int], *, tag: int, applied: int
) -> Picture:
    """Return an image as it is stored: JPEG and PNG files unchanged, others as PNG.

    size is (height, width) in pixels, upright. tag is the file's EXIF orientation, applied the one
    that its pixels need; none is kept.
    """
    kept = data
    if applied != UPRIGHT:
        kept = upright_png(data)
    elif tag != UPRIGHT:
        kept = without_tag(data)
    elif not data.startswith((JPEG_SIGNATURE, PNG_SIGNATURE)):
        kept = encode_png(decode_image(data))
    became_png = kept is not data and kept.startswith(PNG_SIGNATURE)
    name = PurePath(blob.name).with_suffix(".png").name if became_png else blob.name
    return Picture(name=name, data=kept, height=size[0], width=size[1])
