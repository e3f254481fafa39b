"""Segmentation scores from one confusion matrix.

Two rules for the mean (facts of the two code bases): mmsegmentation averages the IoU over the
classes that occur in labels or predictions; the ADE20K devkit averages over all classes and
counts absent ones as 0.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

IGNORE = 255


class ConfusionMatrix:
    """Counts of (label, prediction) pairs over any number of images."""

    def __init__(self, classes: int) -> None:
        self.counts: NDArray[np.int64] = np.zeros((classes, classes), np.int64)

    def add(self, labels: NDArray[np.uint8], predictions: NDArray[np.uint8]) -> None:
        """Count one image; labels of 255 are left out.

        Shapes: both [H, W]. Labels are train ids below the number of classes, or 255.
        """
        classes = self.counts.shape[0]
        valid = labels != IGNORE
        pairs = labels[valid].astype(np.int64) * classes + predictions[valid]
        self.counts += np.bincount(pairs, minlength=classes**2).reshape(classes, classes)

    def scores(self) -> "Scores":
        """Return the scores of everything counted so far."""
        hits = np.diag(self.counts).astype(np.float64)
        labelled = self.counts.sum(1).astype(np.float64)
        union = labelled + self.counts.sum(0) - hits
        with np.errstate(invalid="ignore"):
            iou, accuracy = hits / union, hits / labelled
        return Scores(
            miou=_percent(_mean(iou)),
            miou_devkit=_percent(float(np.nan_to_num(iou).mean())),
            pixel_accuracy=_percent(float(hits.sum() / labelled.sum()) if labelled.any() else 0.0),
            mean_accuracy=_percent(_mean(accuracy)),
            iou=[None if np.isnan(value) else _percent(float(value)) for value in iou],
            accuracy=[None if np.isnan(value) else _percent(float(value)) for value in accuracy],
        )


@dataclass(frozen=True, slots=True)
class Scores:
    """Percentages; per class None where neither label nor prediction has the class."""

    miou: float
    miou_devkit: float
    pixel_accuracy: float
    mean_accuracy: float
    iou: list[float | None]
    accuracy: list[float | None]


def _mean(values: NDArray[np.float64]) -> float:
    present = values[~np.isnan(values)]
    return float(present.mean()) if present.size else 0.0


def _percent(share: float) -> float:
    return 100.0 * share
