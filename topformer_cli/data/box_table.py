"""All boxes of a split as arrays: what counts for training, and what evaluation compares with."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

if TYPE_CHECKING:
    from topformer_cli.data.store import PreparedSet

SMALLEST_BOX: Final = 1.0
"""Pixels; a box with a shorter side, once clipped to its image, is not trained on."""

SMALLEST_IMAGE: Final = 32
"""Pixels; an image with a shorter side is not trained on (mmdetection's CustomDataset)."""


@dataclass(frozen=True, slots=True)
class BoxTable:
    """The boxes of a split, crowds, tiny and empty ones included.

    image_ids, heights, widths: [I]. owners: [N] the place in the split of the image that each box
    is of. boxes: [N, 4] left, top, width, height in pixels; categories: [N] train ids; areas: [N]
    square pixels; crowds: [N].
    """

    image_ids: NDArray[np.int64]
    heights: NDArray[np.int64]
    widths: NDArray[np.int64]
    owners: NDArray[np.int64]
    boxes: NDArray[np.float64]
    categories: NDArray[np.int64]
    areas: NDArray[np.float64]
    crowds: NDArray[np.bool_]

    def of_images(self, places: Sequence[int]) -> "BoxTable":
        """Return the table without the boxes of all other images; none moves to another place."""
        kept = np.isin(self.owners, np.asarray(places, np.int64))
        names = ("owners", "boxes", "categories", "areas", "crowds")
        return replace(self, **{name: getattr(self, name)[kept] for name in names})

    def usable(self) -> NDArray[np.bool_]:
        """Say which boxes [N] are trained on: no crowds, nothing below SMALLEST_BOX."""
        limits = np.stack((self.widths, self.heights), axis=1)[self.owners]
        corners = corners_within(self.boxes, limits)
        sides = corners[:, 2:] - corners[:, :2]
        return ~self.crowds & (sides >= SMALLEST_BOX).all(axis=1)

    def trainable(self) -> NDArray[np.bool_]:
        """Say which images [I] are trained on: those with a usable box, and large enough."""
        found = np.zeros(len(self.heights), np.bool_)
        found[self.owners[self.usable()]] = True
        return found & (np.minimum(self.heights, self.widths) >= SMALLEST_IMAGE)


def corners_within(
    boxes: NDArray[np.float64], limits: NDArray[np.int64] | tuple[int, int]
) -> NDArray[np.float64]:
    """Turn left, top, width, height [N, 4] into corners, clipped to (width, height) of images."""
    limit = np.asarray(limits, np.float64)
    return np.concatenate(
        (
            np.clip(boxes[:, :2], 0, limit),
            np.clip(boxes[:, :2] + boxes[:, 2:], 0, limit),
        ),
        axis=1,
    )


def read_box_table(prepared: "PreparedSet", split: str) -> BoxTable:
    """Read the boxes of a split; no image is touched.

    Raises:
        DataError: the set holds no boxes, or has no such split.
    """
    prepared.require("detection")
    table = prepared.columns(split, ("image_id", "height", "width", "objects"))
    objects = table["objects"].combine_chunks()
    lists = objects.field("bbox")
    return BoxTable(
        image_ids=_numbers(table["image_id"], np.int64),
        heights=_numbers(table["height"], np.int64),
        widths=_numbers(table["width"], np.int64),
        owners=np.repeat(np.arange(len(lists)), _numbers(lists.value_lengths(), np.int64)),
        boxes=_numbers(lists.flatten().flatten(), np.float64).reshape(-1, 4),
        categories=_numbers(objects.field("category").flatten(), np.int64),
        areas=_numbers(objects.field("area").flatten(), np.float64),
        crowds=_numbers(objects.field("crowd").flatten(), np.bool_),
    )


def _numbers(column: Any, kind: Any) -> NDArray[Any]:  # noqa: ANN401 - pyarrow has no types
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    return np.asarray(column.to_numpy(zero_copy_only=False), kind)
