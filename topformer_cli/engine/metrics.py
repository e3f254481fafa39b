"""Segmentation scores from one confusion matrix.

Two rules for the mean (facts of the two code bases): mmsegmentation averages the IoU over the
classes that occur in labels or predictions; the ADE20K devkit averages over all classes and
counts absent ones as 0.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from topformer_cli.results.segmentation import LabelScores

IGNORE = 255


class ConfusionMatrix:
    """Counts of (label, prediction) pairs over any number of images.

    The last column is for predictions of no class, which networks do not make.
    """

    def __init__(self, classes: int) -> None:
        self.counts: NDArray[np.int64] = np.zeros((classes, classes + 1), np.int64)

    def add(self, labels: NDArray[np.uint8], predictions: NDArray[np.uint8]) -> None:
        """Count one image; labels of 255 are left out.

        Shapes: both [H, W]. Labels and predictions are train ids below the number of classes, or
        255.
        """
        classes = len(self.counts)
        self.counts += _pairs(labels, np.minimum(predictions, np.uint8(classes)), self.counts)

    def scores(self) -> LabelScores:
        """Return the scores of everything counted so far."""
        by_class = self.counts[:, :-1]
        hits = np.diag(by_class).astype(np.float64)
        labelled = self.counts.sum(1)
        union = labelled + by_class.sum(0) - hits
        with np.errstate(invalid="ignore"):
            iou, accuracy = hits / union, hits / labelled
            pixel_accuracy = hits.sum() / labelled.sum()
        return LabelScores(
            miou=_mean(iou),
            miou_devkit=_mean(np.nan_to_num(iou)) if labelled.any() else None,
            pixel_accuracy=_percent(pixel_accuracy),
            mean_accuracy=_mean(accuracy),
            iou=tuple(map(_percent, iou)),
            accuracy=tuple(map(_percent, accuracy)),
            pixels=tuple(labelled.tolist()),
            confusion=tuple(map(tuple, self.counts.tolist())),
        )


class ValueCounts:
    """Counts of (label, value) pairs of label maps, to be read by one id map or another."""

    def __init__(self, classes: int) -> None:
        self.counts: NDArray[np.int64] = np.zeros((classes, 256), np.int64)

    def add(self, labels: NDArray[np.uint8], values: NDArray[np.uint8]) -> None:
        """Count one image; labels of 255 are left out. Shapes: both [H, W]."""
        self.counts += _pairs(labels, values, self.counts)

    def read_as(self, id_map: Sequence[int]) -> ConfusionMatrix:
        """Return what the maps are if this is the train id of each of the 256 values."""
        matrix = ConfusionMatrix(len(self.counts))
        columns = np.minimum(id_map, len(self.counts))
        matrix.counts = self.counts @ np.eye(len(self.counts) + 1, dtype=np.int64)[columns]
        return matrix


def _pairs(
    labels: NDArray[np.uint8], columns: NDArray[np.uint8], like: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return how often each label [H, W] that counts meets each column [H, W], as a matrix."""
    valid = labels != IGNORE
    pairs = labels[valid].astype(np.int64) * like.shape[1] + columns[valid]
    return np.bincount(pairs, minlength=like.size).reshape(like.shape)


def _mean(shares: NDArray[np.float64]) -> float | None:
    """Return the mean of those that exist as a percentage, None if none does."""
    present = shares[~np.isnan(shares)]
    return _percent(present.mean()) if present.size else None


def _percent(share: np.float64) -> float | None:
    return None if np.isnan(share) else 100.0 * float(share)
