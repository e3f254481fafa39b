"""Boxes are drawn where they are, whatever they are."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from topformer_cli.draw import NamedBox, draw_boxes

RED = (200, 0, 0)
number = st.floats(-500, 900, allow_nan=False)
side = st.floats(0, 2000, allow_nan=False)
boxes = st.lists(
    st.builds(
        NamedBox,
        st.tuples(number, number, side, side),
        st.sampled_from(("a", "a long name", "Straße")),
        st.just(RED),
        st.booleans(),
    ),
    max_size=6,
)


def drawn(*named: NamedBox) -> np.ndarray:
    picture = Image.new("RGB", (200, 100), "grey")
    draw_boxes(picture, named)
    return np.asarray(picture)


def red(pixels: np.ndarray) -> np.ndarray:
    return (pixels == RED).all(axis=2)


def test_a_box_is_outlined_and_its_inside_is_left_alone() -> None:
    mask = red(drawn(NamedBox((50, 40, 60, 30), "x", RED)))
    assert mask[40, 50:111].all()
    assert mask[70, 50:111].all()
    assert mask[40:71, 50].all()
    assert mask[40:71, 110].all()
    assert not mask[44:67, 54:107].any()


def test_a_crowd_is_dashed_and_hatched() -> None:
    single = red(drawn(NamedBox((50, 40, 60, 30), "x", RED)))
    pixels = drawn(NamedBox((50, 40, 60, 30), "x", RED, crowd=True))
    assert 20 < red(pixels)[70, 50:111].sum() < single[70, 50:111].sum()
    inside = pixels[44:67, 54:107]
    assert (inside != pixels[0, 0]).any()
    assert (inside == pixels[0, 0]).any()


def test_an_empty_box_is_seen() -> None:
    assert red(drawn(NamedBox((50, 40, 0, 0), "x", RED)))[40:44, 50:54].any()


def test_names_do_not_lie_on_each_other() -> None:
    one = red(drawn(NamedBox((50, 40, 60, 30), "x", RED))).sum()
    many = red(drawn(*[NamedBox((50, 40, 60, 30), "x", RED)] * 20)).sum()
    assert many < one + 2 * 20 * 15


@given(boxes, st.integers(1, 60), st.integers(1, 60))
def test_any_boxes_are_drawn_on_any_picture(named: list[NamedBox], width: int, height: int) -> None:
    picture = Image.new("RGB", (width, height), "grey")
    draw_boxes(picture, named)
    assert picture.size == (width, height)
