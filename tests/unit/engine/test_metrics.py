"""Scores against a straightforward count, by both rules for the mean."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from topformer_cli.engine.metrics import IGNORE, ConfusionMatrix
from topformer_cli.results import LabelScores

CLASSES = 5
Map = NDArray[np.uint8]
LABELS = arrays(np.uint8, (4, 6), elements=st.sampled_from([*range(CLASSES), IGNORE]))
PREDICTIONS = arrays(np.uint8, (4, 6), elements=st.sampled_from([*range(CLASSES), IGNORE]))
PAIRS = st.lists(st.tuples(LABELS, PREDICTIONS), min_size=1, max_size=4)


def scores(pairs: list[tuple[Map, Map]], classes: int = CLASSES) -> LabelScores:
    matrix = ConfusionMatrix(classes)
    for labels, predictions in pairs:
        matrix.add(labels, predictions)
    return matrix.scores()


def oracle(
    pairs: list[tuple[Map, Map]],
) -> tuple[list[float | None], list[float | None], float | None]:
    """IoU and accuracy a class and the pixel accuracy, by sets of pixels."""
    labels = np.concatenate([one.ravel() for one, _ in pairs])
    found = np.concatenate([one.ravel() for _, one in pairs])
    labels, found = labels[labels != IGNORE], found[labels != IGNORE]
    iou: list[float | None] = []
    accuracy: list[float | None] = []
    for index in range(CLASSES):
        hit = int(((labels == index) & (found == index)).sum())
        either = int(((labels == index) | (found == index)).sum())
        present = int((labels == index).sum())
        iou.append(100 * hit / either if either else None)
        accuracy.append(100 * hit / present if present else None)
    return iou, accuracy, 100 * float((labels == found).mean()) if labels.size else None


def mean(values: list[float | None]) -> float | None:
    present = [value for value in values if value is not None]
    return sum(present) / len(present) if present else None


@given(PAIRS)
def test_scores_are_those_of_a_plain_count(pairs: list[tuple[Map, Map]]) -> None:
    iou, accuracy, pixels = oracle(pairs)
    result = scores(pairs)
    assert result.iou == pytest.approx(iou)
    assert result.accuracy == pytest.approx(accuracy)
    assert result.pixel_accuracy == pytest.approx(pixels)
    assert result.miou == pytest.approx(mean(iou))
    assert result.mean_accuracy == pytest.approx(mean(accuracy))
    devkit = None if pixels is None else sum(value or 0 for value in iou) / CLASSES
    assert result.miou_devkit == pytest.approx(devkit)


@given(PAIRS)
def test_the_order_of_images_does_not_matter(pairs: list[tuple[Map, Map]]) -> None:
    assert scores(pairs) == scores(pairs[::-1])


def test_absent_class_counts_in_the_devkits_mean_only() -> None:
    labels = np.array([[0, 0, 1, 1]], np.uint8)
    result = scores([(labels, labels)], classes=4)
    assert (result.miou, result.miou_devkit) == (100, 50)
    assert result.iou == (100, 100, None, None)


def test_predicted_but_absent_class_counts_in_both() -> None:
    labels, found = np.array([[0, 0]], np.uint8), np.array([[0, 1]], np.uint8)
    result = scores([(labels, found)], classes=2)
    assert result.iou == (50, 0)
    assert result.accuracy == (50, None)
    assert (result.miou, result.miou_devkit, result.mean_accuracy) == (25, 25, 50)


def test_nothing_labelled_gives_no_score() -> None:
    labels = np.full((2, 2), IGNORE, np.uint8)
    result = scores([(labels, np.zeros((2, 2), np.uint8))])
    assert (result.miou, result.miou_devkit) == (None, None)
    assert (result.pixel_accuracy, result.mean_accuracy) == (None, None)
    assert result.iou == (None,) * CLASSES


def test_a_prediction_of_no_class_is_a_miss_and_no_false_alarm() -> None:
    labels, found = np.array([[0, 0, 1, 1]], np.uint8), np.array([[0, IGNORE, 1, 1]], np.uint8)
    result = scores([(labels, found)], classes=2)
    assert result.iou == (50, 100)
    assert result.confusion == ((1, 0, 1), (0, 2, 0))
    assert result.pixels == (2, 2)


def test_counts_hold_more_pixels_than_32_bits() -> None:
    matrix = ConfusionMatrix(2)
    matrix.counts[0, 0] = 2**33
    matrix.add(np.zeros((1, 4), np.uint8), np.ones((1, 4), np.uint8))
    assert matrix.counts.sum() == 2**33 + 4
