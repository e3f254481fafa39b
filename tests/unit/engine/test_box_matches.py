"""Which boxes are of an object: one each, of its class, by an overlap of a half; crowds apart."""

from collections.abc import Sequence

import numpy as np
import pytest

from topformer_cli.engine.box_matches import Agreement, Detections, Objects, compare

Box = tuple[float, float, float, float, int]
"""Left, top, right, bottom and train id."""

PERSON: Box = (0, 0, 10, 20, 0)
DOG: Box = (30, 0, 50, 10, 1)


def compared(
    found: Sequence[Box], there: Sequence[Box], crowds: Sequence[bool] | None = None
) -> Agreement:
    boxes, objects = (np.array(one, np.float64).reshape(-1, 5) for one in (found, there))
    return compare(
        Detections(boxes[:, :4], np.ones(len(boxes)), boxes[:, 4].astype(np.int64)),
        Objects(
            objects[:, :4],
            objects[:, 4].astype(np.int64),
            np.array(crowds or [False] * len(objects), np.bool_),
        ),
    )


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ([], (2, 0, 0)),
        ([PERSON, DOG], (2, 2, 0)),
        ([(*PERSON[:4], 1)], (2, 0, 1)),
        ([(0, 0, 10, 10, 0)], (2, 1, 0)),
        ([(0, 0, 10, 9.9, 0)], (2, 0, 1)),
        ([PERSON, PERSON, DOG], (2, 2, 1)),
        ([(5, 5, 5, 5, 0)], (2, 0, 1)),
    ],
)
def test_an_object_is_found_once_and_by_its_class(
    found: list[Box], expected: tuple[int, int, int]
) -> None:
    assert compared(found, [PERSON, DOG]) == expected


def test_the_best_overlap_is_taken_and_leaves_the_other_object() -> None:
    near: Box = (1, 0, 11, 20, 0)
    assert compared([near, PERSON], [PERSON, near]) == (2, 2, 0)


def test_a_box_in_a_crowd_is_neither_right_nor_wrong() -> None:
    crowd: Box = (0, 0, 100, 100, 0)
    assert compared([PERSON, PERSON], [crowd], [True]) == (0, 0, 0)
    assert compared([(*PERSON[:4], 1)], [crowd], [True]) == (0, 0, 1)
    assert compared([PERSON, PERSON], [PERSON, crowd], [False, True]) == (1, 1, 0)
    assert compared([(95, 0, 115, 10, 0)], [crowd], [True]) == (0, 0, 1)


def test_nothing_is_found_where_nothing_is() -> None:
    assert compared([], []) == (0, 0, 0)
    assert compared([DOG], []) == (0, 0, 1)
