"""Windows cover every pixel, and are the authors' own."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from topformer_cli.data.looks import WHOLE, Looks, Window, windows

SIDES = st.integers(1, 300)


@given(height=SIDES, width=SIDES, window=SIDES, data=st.data())
def test_windows_cover_every_pixel_and_lie_within(
    height: int, width: int, window: int, data: st.DataObject
) -> None:
    stride = data.draw(st.integers(1, window))
    seen = np.zeros((height, width), bool)
    if (height // stride) * (width // stride) > 2000:
        return
    for one in windows((height, width), Looks(window=window, stride=stride)):
        assert (one.bottom - one.top, one.right - one.left) == (
            min(window, height),
            min(window, width),
        )
        assert one.top >= 0
        assert one.left >= 0
        seen[one.top : one.bottom, one.left : one.right] = True
    assert seen.all()


def test_the_last_window_is_moved_back() -> None:
    found = list(windows((10, 25), Looks(window=10, stride=8)))
    assert found == [Window(0, 0, 10, 10), Window(0, 8, 10, 18), Window(0, 15, 10, 25)]
    assert list(windows((10, 25), WHOLE)) == [Window(0, 0, 10, 25)]


@pytest.mark.parametrize(
    ("looks", "words"),
    [
        (WHOLE, "whole image, single scale"),
        (Looks((0.5, 1.0, 1.75), flip=True), "whole image, scales 0.5, 1, 1.75, flipped too"),
        (Looks((2.0,), window=512, stride=341), "windows of 512x512 every 341, scale 2"),
    ],
)
def test_looks_have_names(looks: Looks, words: str) -> None:
    assert str(looks) == words
