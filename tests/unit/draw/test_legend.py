"""Legends stand below pictures, with every name that occurs."""

import numpy as np
import pytest

from topformer_cli.draw import (
    IGNORE,
    FilmLegend,
    Legend,
    labels,
    overlay,
    overlay_with_legend,
    pixel_shares,
)
from topformer_cli.draw.legend import MOST_LISTED, Entry, legend_picture

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


def test_a_picture_of_many_bands_is_drawn_like_one_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (50, 64, 3), np.uint8)
    found = rng.integers(0, 3, (50, 64), np.uint8)
    whole = np.asarray(overlay_with_legend(image, found, LEGEND))
    monkeypatch.setattr(labels, "_BAND", 7 * 64)
    assert np.array_equal(np.asarray(overlay_with_legend(image, found, LEGEND)), whole)
    assert pixel_shares(found, LEGEND).sum() == pytest.approx(1)


def test_letters_grow_with_pictures_that_are_shown_smaller() -> None:
    heights = []
    for width in (720, 2000, 8000):
        found = np.zeros((1, width), np.uint8)
        drawn = overlay_with_legend(np.zeros((1, width, 3), np.uint8), found, LEGEND)
        heights.append(drawn.height)
    assert heights[0] == heights[1] < heights[2] / 3


def film(frames: list[np.ndarray], legend: Legend) -> list[np.ndarray]:
    """Return what stands below each frame of label maps."""
    one = FilmLegend(legend, frames[0].shape[1])
    drawn = []
    for found in frames:
        image = np.full((*found.shape, 3), 90, np.uint8)
        frame = np.asarray(one.frame(image, found, pixel_shares(found, legend)))
        assert np.array_equal(frame[: found.shape[0]], overlay(image, found, legend))
        drawn.append(frame[found.shape[0] :])
    return drawn


def test_classes_keep_their_places_below_a_video() -> None:
    sky, tree = np.full((40, 300), 1, np.uint8), np.full((40, 300), 2, np.uint8)
    first, second, third = film([sky, tree, sky], LEGEND)
    changed = (first != second).any(axis=2)
    assert changed.any()
    assert (first[changed] == 255).all()  # nothing but paper is drawn over
    assert np.array_equal(second, third)


def test_a_speck_is_not_listed_and_room_is_limited() -> None:
    speck = np.full((40, 300), 1, np.uint8)
    speck[0, :5] = 2
    plain, specked = film([np.full((40, 300), 1, np.uint8), speck], LEGEND)
    assert np.array_equal(plain, specked)
    count = MOST_LISTED + 6
    many = Legend([f"c{n}" for n in range(count)], [(n, 0, 200) for n in range(count)])
    rows = np.repeat(np.arange(count, dtype=np.uint8)[:, None], 300, axis=1)
    (below,) = film([rows], many)
    shown = {int(one[0]) for one in below.reshape(-1, 3) if one[1] == 0 and one[2] == 200}
    assert len(shown) == MOST_LISTED
