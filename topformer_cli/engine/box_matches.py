"""The boxes that a network found in one picture, beside the objects that are in it."""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from topformer_cli.data.box_table import corners_within
from topformer_cli.data.store import BoxSample

LEAST_IOU: Final = 0.5
"""Overlap from which a box counts as being of an object: that of AP50."""

Corners = NDArray[np.float64]
"""Boxes [n, 4] as left, top, right, bottom in pixels of the picture."""


class Detections(NamedTuple):
    """Boxes of one picture by falling score: boxes [n, 4], scores [n], labels [n] train ids."""

    boxes: Corners
    scores: NDArray[np.float64]
    labels: NDArray[np.int64]


class Objects(NamedTuple):
    """What is in one picture: boxes [n, 4], labels [n] train ids, crowds [n]."""

    boxes: Corners
    labels: NDArray[np.int64]
    crowds: NDArray[np.bool_]

    @classmethod
    def of(cls, sample: BoxSample) -> "Objects":
        """Take the objects of an image of a prepared set."""
        corners = corners_within(sample.boxes, (sample.width, sample.height))
        return cls(corners, sample.categories, sample.crowds)


class Agreement(NamedTuple):
    """How many objects there are, crowds left out, how many were found, and boxes of nothing."""

    objects: int
    found: int
    wrong: int


def compare(found: Detections, objects: Objects) -> Agreement:
    """Match boxes with objects of their class by LEAST_IOU, as COCO does for AP50.

    The box with the highest score chooses first. A box that lies in a crowd of its class by as much
    is neither right nor wrong.
    """
    free = ~objects.crowds
    there, right, wrong = int(free.sum()), 0, 0
    for box, label in zip(found.boxes, found.labels, strict=True):
        of_class = objects.labels == label
        shared = _shared(box, objects.boxes)
        overlaps = shared / (_area(box) + _area(objects.boxes) - shared)
        overlaps[~(of_class & free)] = 0
        if overlaps.max(initial=0) >= LEAST_IOU:
            free[overlaps.argmax()] = False
            right += 1
            continue
        inside = (shared / _area(box))[of_class & objects.crowds]
        wrong += int(inside.max(initial=0) < LEAST_IOU)
    return Agreement(there, right, wrong)


def _shared(box: Corners, others: Corners) -> NDArray[np.float64]:
    """Return the area that a box [4] has in common with each of others [n, 4]."""
    sides = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    return np.prod(np.clip(sides, 0, None), axis=1)


def _area(boxes: Corners) -> NDArray[np.float64]:
    """Return the areas of boxes [..., 4]; never 0, for they divide."""
    return np.maximum(np.prod(boxes[..., 2:] - boxes[..., :2], axis=-1), np.finfo(float).tiny)
