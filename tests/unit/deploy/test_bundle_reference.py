"""How an app resizes, held against OpenCV's and torch's."""

import cv2
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from topformer_cli.deploy.bundle.reference import (
    UNIT,
    Taps,
    colour_layer,
    labels_of_logits,
    labels_of_map,
    resize_like_the_app,
)

SIDES = st.integers(1, 80)


@given(st.tuples(SIDES, SIDES), st.tuples(SIDES, SIDES), st.integers(0, 2**32 - 1))
@settings(max_examples=150)
def test_resizing_is_opencv_s_within_one_level(
    size: tuple[int, int], wanted: tuple[int, int], seed: int
) -> None:
    picture = np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)
    ours = resize_like_the_app(picture, wanted)
    theirs = cv2.resize(picture, wanted[::-1]).reshape(*wanted, 3)
    assert np.abs(ours.astype(int) - theirs.astype(int)).max() <= 1


@given(SIDES, SIDES)
def test_positions_are_half_pixel_ones_to_the_nearest_unit(length: int, wanted: int) -> None:
    taps = Taps.between(length, wanted)
    exact = ((np.arange(wanted) + 0.5) * length / wanted - 0.5).clip(0, length - 1)
    assert np.abs(taps.low + taps.weight / UNIT - exact).max() <= 0.5 / UNIT + 1e-12
    assert taps.high.max() <= length - 1


@given(SIDES, SIDES, st.integers(0, 255))
def test_a_plain_picture_stays_plain_and_the_same_size_stays_the_same(
    height: int, width: int, value: int
) -> None:
    plain = np.full((height, width, 3), value, np.uint8)
    assert (resize_like_the_app(plain, (width, height)) == value).all()
    picture = np.random.default_rng(value).integers(0, 256, (height, width, 3), np.uint8)
    assert np.array_equal(resize_like_the_app(picture, (height, width)), picture)


@given(st.tuples(SIDES, SIDES), st.integers(0, 2**32 - 1))
def test_logits_of_the_same_size_are_only_compared(size: tuple[int, int], seed: int) -> None:
    # Few values, so that there are ties: the first class wins.
    logits = np.random.default_rng(seed).integers(-2, 3, (7, *size)).astype(np.float32)
    assert np.array_equal(labels_of_logits(logits, size), logits.argmax(0))


@given(SIDES, SIDES, st.integers(1, 4))
def test_enlarged_labels_are_repeated_and_come_back(height: int, width: int, times: int) -> None:
    labels = np.random.default_rng(height).integers(0, 150, (height, width))
    large = labels_of_map(labels, (height * times, width * times))
    assert np.array_equal(large, labels.repeat(times, 0).repeat(times, 1))
    assert np.array_equal(labels_of_map(large, (height, width)), labels)


def test_the_layer_has_the_colours_of_the_classes() -> None:
    palette = np.array([[1, 2, 3], [4, 5, 6]], np.uint8)
    layer = colour_layer(np.array([[1, 0]], np.uint8), palette, 140)
    assert layer.tolist() == [[[4, 5, 6, 140], [1, 2, 3, 140]]]
