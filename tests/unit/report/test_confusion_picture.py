"""The confusion matrix is drawn and listed for any number of classes."""

import csv
import io

import numpy as np
import pytest
from PIL import Image

from topformer_cli.engine.metrics import ConfusionMatrix
from topformer_cli.report.confusion_picture import confusion_picture
from topformer_cli.results.confusion import NO_CLASS, confusion_csv, mistakes
from topformer_cli.results.segmentation import ScoredMaps

NAMES = ('sky, "clear"', "road\nwet", "=1+1")


def maps(counts: list[list[int]], classes: tuple[str, ...] = NAMES) -> ScoredMaps:
    matrix = ConfusionMatrix(len(classes))
    matrix.counts[:] = counts
    return ScoredMaps(images=1, classes=classes, found=matrix.scores())


def size(found: ScoredMaps) -> tuple[int, int]:
    with Image.open(io.BytesIO(confusion_picture(found, "mine on val"))) as image:
        assert image.format == "PNG"
        assert len(np.unique(np.asarray(image.convert("L")))) > 5
        return image.size


@pytest.mark.parametrize("classes", [2, 11, 60, 171])
def test_any_number_of_classes_is_drawn(classes: int) -> None:
    rng = np.random.default_rng(0)
    counts = rng.integers(0, 9, (classes, classes + 1))
    names = tuple(f"a class of number {index}" for index in range(classes))
    width, height = size(maps(counts.tolist(), names))
    assert 450 <= height < 5000
    assert 900 <= width < 6000
    # Names are read: a row is at least so many pixels high.
    assert height / classes > 15


def test_classes_that_do_not_occur_take_no_room() -> None:
    few = np.zeros((171, 172), int)
    few[:3, :3] = 5
    names = tuple(f"class {index}" for index in range(171))
    assert size(maps(few.tolist(), names))[1] < 600


def test_no_label_and_no_mistake_are_drawn() -> None:
    assert size(maps([[0] * 4] * 3))[1] > 300
    assert size(maps([[5, 0, 0, 0], [0, 5, 0, 0], [0, 0, 0, 0]]))[1] > 300


def test_the_largest_confusions_come_first() -> None:
    found = maps([[70, 20, 0, 10], [5, 95, 0, 0], [0, 0, 0, 0]])
    first, second, third = mistakes(found, 9)
    assert (first.label, first.predicted, first.pixels) == (NAMES[0], NAMES[1], 20)
    assert (first.of_class, first.of_all) == (20.0, 10.0)
    assert (second.predicted, second.pixels) == (NO_CLASS, 10)
    assert (third.label, third.predicted) == (NAMES[1], NAMES[0])
    assert mistakes(found, 1) == (first,)


def test_counts_are_a_table_whatever_the_names_hold() -> None:
    counts = [[7, 1, 0, 0], [0, 9, 2, 0], [0, 0, 0, 0]]
    header, *rows = csv.reader(io.StringIO(confusion_csv(maps(counts)), newline=""))
    assert tuple(header[1:]) == NAMES
    assert [row[0] for row in rows] == list(NAMES)
    assert [[int(cell) for cell in row[1:]] for row in rows] == [row[:3] for row in counts]


def test_predictions_of_no_class_have_a_column_where_there_are_any() -> None:
    counts = [[7, 1, 0, 4], [0, 9, 2, 0], [0, 0, 0, 0]]
    header, first, *_ = csv.reader(io.StringIO(confusion_csv(maps(counts)), newline=""))
    assert (header[-1], first[-1]) == (NO_CLASS, "4")
