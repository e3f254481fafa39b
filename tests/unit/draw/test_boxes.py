"""Boxes are drawn where they are, whatever they are."""

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from topformer_cli.draw import Legend, NamedBox, draw_boxes, named_box

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
    assert many < one + 8 * 15 * 15  # there are eight places


@given(boxes, st.integers(1, 60), st.integers(1, 60))
def test_any_boxes_are_drawn_on_any_picture(named: list[NamedBox], width: int, height: int) -> None:
    picture = Image.new("RGB", (width, height), "grey")
    draw_boxes(picture, named)
    assert picture.size == (width, height)


def test_a_score_is_written_after_the_name() -> None:
    box = named_box((50, 40, 110, 70), 1, Legend(("a", "b"), ((9, 9, 9), RED)))
    assert (box.box, box.colour, box.words) == ((50, 40, 60, 30), RED, "b")
    assert replace(box, score=0.876).words == "b 0.88"
    assert replace(box, crowd=True).words == "b (crowd)"


def test_letters_and_lines_grow_with_the_picture() -> None:
    chips = []
    for side in (200, 2000):
        picture = Image.new("RGB", (side, side), "grey")
        draw_boxes(picture, [NamedBox((side / 4, side / 2, side / 2, side / 4), "name", RED)])
        mask = red(np.asarray(picture))
        chips.append(int(mask[: side // 2].any(axis=1).sum()))
        lines = mask[side * 5 // 8]
        assert lines.sum() == 2 * (2 if side == 200 else 7)
    small, large = chips
    assert 14 <= small <= 18
    assert 3 * small < large < side / 20


def test_a_name_at_the_top_stands_below_its_box_or_inside() -> None:
    below = red(drawn(NamedBox((50, 0, 60, 60), "x", RED)))
    assert below[64:72, 52].all()
    assert not below[6:55, 54:106].any()
    inside = red(drawn(NamedBox((50, 0, 60, 99), "x", RED)))
    assert inside[12, 54:58].all()


def test_a_name_keeps_off_small_boxes() -> None:
    blue = (0, 0, 200)
    small = NamedBox((50, 24, 14, 12), "y", blue)
    pixels = drawn(NamedBox((50, 40, 60, 30), "x", RED), small)
    assert not red(pixels)[24:36, 50:64].any()
    inside = pixels[28:32, 54:60]
    assert (inside == pixels[0, 0]).all()


def test_names_of_small_pictures_are_smaller() -> None:
    heights = []
    for side in (150, 400):
        picture = Image.new("RGB", (side, side), "grey")
        draw_boxes(picture, [NamedBox((side / 4, side / 2, side / 2, side / 4), "name", RED)])
        heights.append(int(red(np.asarray(picture))[: side // 2 - 1].any(axis=1).sum()))
    assert 11 <= heights[0] <= 14 < heights[1] <= 18


def test_a_long_name_is_shortened_on_a_small_picture() -> None:
    picture = Image.new("RGB", (60, 60), "grey")
    draw_boxes(picture, [NamedBox((5, 30, 20, 20), "a name that is longer than that", RED)])
    pixels = np.asarray(picture)
    chip = np.flatnonzero(red(pixels)[17])
    assert 45 < len(chip) == chip[-1] - chip[0] + 1
    assert not (pixels[16:29, chip[-1] - 1 :] == 255).all(axis=2).any()
