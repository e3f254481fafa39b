"""Images with masks: 8-bit PNGs, MATLAB files, or runs that are painted."""

import io
import zlib
from typing import Any, Final

import faster_coco_eval.core.mask as runs
import numpy as np
import scipy.io
import scipy.io.matlab
from numpy.typing import NDArray

from topformer_cli.data.card import LabelFacts
from topformer_cli.data.decode import Pixels, encode_png
from topformer_cli.data.findings import Finding, LintError
from topformer_cli.data.forms.row import Row, Totals, stored_picture
from topformer_cli.data.labels import Labels
from topformer_cli.data.lint import (
    check_ids,
    image_size,
    mask_ids,
    settle_orientation,
    value_counts,
)
from topformer_cli.data.sources.source import Blob, Item, Painted, Reading
from topformer_cli.data.spec import IGNORE, MatMask

_NOT_MATLAB: Final = (
    scipy.io.matlab.MatReadError,
    zlib.error,
    ArithmeticError,
    LookupError,
    MemoryError,
    NameError,
    NotImplementedError,
    OSError,
    TypeError,
    ValueError,
)
"""What scipy was seen to raise for damaged files."""


class Segmentation:
    """Columns: mask, an 8-bit PNG whose values the card's id_map turns into train ids."""

    def features(self, classes: tuple[str, ...]) -> dict[str, Any]:  # noqa: ARG002
        """Return the mask's column."""
        import datasets

        return {"mask": datasets.Image()}

    def read_row(self, item: Item, reading: Reading) -> Row:
        """Read a pair; bytes of JPEG and PNG images and of id masks are kept."""
        image = item.image.read()
        size = image_size(image, str(item.image))
        ids, mask = read_mask(item, reading)
        place = str(item.image)
        applied = settle_orientation(size, ids.shape, place, lenient=reading.lenient)
        counts = value_counts(ids)
        check_ids(counts, reading.labels, mask_place(item), published=reading.lenient)
        columns = {"mask": {"bytes": mask, "path": f"{item.id}.png"}}
        return Row(
            id=item.id,
            picture=stored_picture(item.image, image, ids.shape, tag=size[2], applied=applied),
            columns=columns,
            signature=self.signature(columns),
            counts=counts,
            labelled=(labelled := int(counts[has_class(reading.labels)].sum())),
            ignored=ids.size - labelled,
        )

    def signature(self, columns: dict[str, Any]) -> bytes:
        """Return the mask's file."""
        return bytes(columns["mask"]["bytes"])

    def label_facts(self, labels: Labels, totals: Totals) -> LabelFacts:
        """Return pixels and images by class, and the ignored pixels."""
        values = np.flatnonzero(has_class(labels))
        train_ids = np.array(labels.id_map)[values]
        pixels = np.bincount(train_ids, totals.counts[values], len(labels.classes))
        images = np.bincount(train_ids, totals.images[values], len(labels.classes))
        return LabelFacts(
            counts=tuple(int(count) for count in pixels),
            images=tuple(int(count) for count in images),
            ignored=totals.ignored,
            empty=totals.labelled.count(0),
        )


def has_class(labels: Labels) -> NDArray[np.bool_]:
    """Return which of the 256 mask values are a class's."""
    return np.not_equal(labels.id_map, IGNORE)


def read_mask(item: Item, reading: Reading) -> tuple[Pixels, bytes]:
    """Return the [height, width] values of a mask and the PNG to keep.

    Raises:
        LintError: the mask is damaged, or in a form that has no values of this set.
    """
    if isinstance(item.target, Painted):
        ids = _painted(item.target, mask_place(item))
        return ids, encode_png(ids)
    assert isinstance(item.target, Blob)
    data = item.target.read()
    if reading.mat is not None:
        ids = _mat_values(data, reading.mat, str(item.target))
        return ids, encode_png(ids)
    return mask_ids(data, reading.labels, str(item.target))


def mask_place(item: Item) -> str:
    """Return how messages name the mask of an item."""
    return str(item.target) if isinstance(item.target, Blob) else f"the mask of {item.image}"


def _painted(mask: Painted, place: str) -> Pixels:
    ids = np.zeros((mask.height, mask.width), np.uint8)
    for run in mask.runs:
        counts = list(run.counts) if isinstance(run.counts, tuple) else run.counts.encode()
        record: Any = {"size": [mask.height, mask.width], "counts": counts}
        if isinstance(counts, list):
            record = runs.frPyObjects(record, mask.height, mask.width)
        try:
            ids[runs.decode(record).astype(bool)] = run.value
        except (ValueError, IndexError, RuntimeError) as error:
            what = f"has a damaged run-length code ({error})"
            remedy = "replace the JSON"
            raise LintError(Finding("unreadable", place, what, remedy)) from error
    return ids


def _mat_values(data: bytes, mat: MatMask, place: str) -> Pixels:
    """Return the 8-bit values of a MATLAB file's mask.

    Raises:
        LintError: the file is damaged, lacks the variable, or holds values outside the table.
    """
    if not data:
        what = "cannot be read as a MATLAB file (it is empty)"
        raise LintError(Finding("empty", place, what, "replace it"))
    try:
        variables = scipy.io.loadmat(io.BytesIO(data))
    except _NOT_MATLAB as error:
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        what = f"cannot be read as a MATLAB file ({reason})"
        raise LintError(Finding("unreadable", place, what, "replace it")) from error
    if mat.variable not in variables:
        what = f"has no variable {mat.variable}"
        remedy = "it is not a label map of this set"
        raise LintError(Finding("mask-format", place, what, remedy))
    values = np.asarray(variables[mat.variable])
    if values.ndim != 2 or not values.size or values.dtype.kind not in "iuf":
        what = f": {mat.variable} is no [height, width] map of numbers"
        raise LintError(Finding("mask-format", place, what, "replace the file"))
    table = np.array(mat.values, np.uint8)
    low, high = values.min(), values.max()
    if not (low >= 0 and high < len(table)):
        what = f": {mat.variable} has values from {low:g} to {high:g}"
        remedy = f"this set's are 0 to {len(table) - 1}; is it another version's?"
        raise LintError(Finding("ids", place, what, remedy))
    return table[values.astype(np.int64)]
