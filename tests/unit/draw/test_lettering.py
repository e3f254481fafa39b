"""Names are drawn in a font that has their letters, or a stand-in says that there is none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from topformer_cli.draw.lettering import (
    can_draw,
    drawable,
    drawable_names,
    font_for,
    shortened,
    wrapped,
)

NOWHERE = "\u0378"
"""A code point that is assigned to no character, so that no font has it."""


@pytest.mark.parametrize("text", ["road", "Straße", "дорога", "δέντρο", "طريق", "½ – “x”"])
def test_letters_of_many_scripts_are_drawn(text: str) -> None:
    assert can_draw(text)
    assert drawable_names((text,)) == (text,)
    assert font_for(text, 12).getlength(text) > 0


def test_a_name_that_no_font_has_is_replaced_by_its_number() -> None:
    names = ("road", f"a{NOWHERE}b", "sky", "")
    assert not can_draw(NOWHERE)
    assert drawable_names(names) == ("road", "class 1", "sky", "class 3")
    assert drawable(f"a{NOWHERE}b") == "a?b"


def test_names_stand_on_one_line() -> None:
    assert drawable_names(("two\nlines\tor  three",)) == ("two lines or three",)


def test_joiners_need_no_ink() -> None:
    assert can_draw("a\u200db")


@given(st.text(max_size=30))
def test_any_text_becomes_one_that_is_drawn(text: str) -> None:
    line = drawable(text)
    assert "\n" not in line
    font_for(line, 11).getmask(line)
    (name,) = drawable_names((text,))
    assert name == "class 0" or can_draw(name)


@given(st.text("abc déf", max_size=60), st.integers(20, 400))
def test_text_is_broken_and_cut_to_its_room(text: str, width: int) -> None:
    font = font_for(text, 12)
    assert font.getlength(shortened(text, font, width)) <= width or width < 20
    lines = wrapped(text, font, width, most=3)
    assert len(lines) <= 3
    assert all(font.getlength(line) <= width for line in lines)
    if font.getlength(text) <= width:
        assert " ".join(lines) == " ".join(text.split())
