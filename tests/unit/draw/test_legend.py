"""Legends stand below pictures, with every name that occurs."""

import numpy as np
import pytest

from topformer_cli.draw import IGNORE, Legend, overlay, overlay_with_legend
from topformer_cli.draw.legend import Entry, legend_picture

LEGEND = Legend(("road", "sky", "tree"), ((10, 20, 40), (200, 0, 0), (0, 250, 0)))


@pytest.mark.parametrize(("height", "width"), [(1, 1), (3, 500), (400, 20), (240, 320)])
@pytest.mark.parametrize("classes", [1, 3, 150])
def test_legend_stands_below_the_picture(height: int, width: int, classes: int) -> None:
    names = [f"a class with a long name {index}" for index in range(classes)]
    palette = [(index, 255 - index, 0) for index in range(classes)]
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (height, width, 3), np.uint8)
    labels = rng.integers(0, classes, (height, width), np.uint8)
    drawn = overlay_with_legend(image, labels, Legend(names, palette))
    assert drawn.width >= width
    assert drawn.height > height
    top = np.asarray(drawn)[:height, :width]
    assert np.array_equal(top, overlay(image, labels, Legend(names, palette)))
    assert (np.asarray(drawn)[height:] != 255).any()


def test_legend_of_nothing_is_drawn_too() -> None:
    labels = np.full((4, 6), IGNORE, np.uint8)
    image = np.zeros((4, 6, 3), np.uint8)
    assert overlay_with_legend(image, labels, LEGEND).height >= 4


@pytest.mark.parametrize("count", [1, 7, 100])
def test_every_colour_of_a_legend_is_on_it(count: int) -> None:
    colours = [(10 + 2 * index, 77, 255 - index) for index in range(count)]
    entries = [Entry(f"class {index}", colour, "1%") for index, colour in enumerate(colours)]
    pixels = np.asarray(legend_picture(entries, 600, 13)).reshape(-1, 3)
    drawn = set(map(tuple, pixels.tolist()))
    assert set(colours) <= drawn


def test_a_long_name_takes_no_more_room_than_a_legend_gives() -> None:
    long = Entry("very " * 100, (1, 2, 3), "12%")
    assert legend_picture([long], 10, 13).width < 13 * 22 + 100


def test_what_has_no_colour_is_hatched() -> None:
    plain = np.asarray(legend_picture([Entry("ignored", None)], 200, 13))
    white = np.asarray(legend_picture([Entry("ignored", (255, 255, 255))], 200, 13))
    assert (plain != white).any()
