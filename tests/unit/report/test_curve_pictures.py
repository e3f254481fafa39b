"""The curves in a run's folder are pictures, whatever was recorded."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from topformer_cli.report.curve_pictures import (
    SMOOTHED,
    headline_picture,
    loss_picture,
    smoothed,
)
from topformer_cli.report.records import Curves

CURVES = Curves(((20, 1.6), (40, 0.4)), ((20, 40.0), (40, 35.0)), ((20, 1e-3), (40, 5e-4)))


def pixels(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
        assert image.format == "PNG"
        return np.asarray(image.convert("RGB"))


def has_colour(data: bytes, colour: str) -> bool:
    wanted = tuple(bytes.fromhex(colour))
    return bool((pixels(data) == wanted).all(axis=2).any())


def test_loss_and_learning_rate_stand_on_one_picture() -> None:
    picture = loss_picture(CURVES)
    assert pixels(picture).shape == (633, 1008, 3)
    assert has_colour(picture, "D55E00")
    assert has_colour(picture, "0072B2")
    assert not has_colour(loss_picture(Curves(CURVES.loss)), "0072B2")


def test_the_best_is_marked() -> None:
    assert CURVES.best == (20, 40.0)
    assert Curves(headline=((10, 5.0), (20, 5.0), (30, 4.0))).best == (20, 5.0)
    assert has_colour(headline_picture(CURVES, "mIoU on val"), "D55E00")


@pytest.mark.parametrize(
    "curves",
    [
        Curves(),
        Curves(((20, 0.0),), ((20, 0.0),), ((20, 0.0),)),
        CURVES,
        Curves(((20, 1.6),), (), tuple((step, 1e-3) for step in range(90))),  # barely begun
    ],
)
def test_anything_recorded_is_drawn(curves: Curves) -> None:
    for picture in (loss_picture(curves), headline_picture(curves, "AP")):
        assert pixels(picture).std() > 1


@given(st.lists(st.floats(0, 10), min_size=1, max_size=500))
def test_smoothing_keeps_the_range_and_the_order(values: list[float]) -> None:
    points = tuple((20 * (number + 1), value) for number, value in enumerate(values))
    found = smoothed(points)
    assert len(found) == (SMOOTHED if len(points) >= 2 * SMOOTHED else len(points))
    assert [step for step, _ in found] == sorted(step for step, _ in found)
    assert min(values) - 1e-9 <= min(value for _, value in found)
    assert max(value for _, value in found) <= max(values) + 1e-9


def test_a_mark_at_nothing_is_seen_whole() -> None:
    orange = tuple(bytes.fromhex("D55E00"))
    low, high = (
        (pixels(headline_picture(Curves(headline=((10, value),)), "AP")) == orange).all(axis=2)
        for value in (0.0, 5.0)
    )
    marks = []
    for mask in (low, high):
        rows, columns = np.nonzero(mask)
        below = mask[rows.max() - 12 : rows.max() + 1, columns.min() :]
        marks.append(int(below.sum()))
    assert abs(marks[0] - marks[1]) < 0.1 * marks[1]
