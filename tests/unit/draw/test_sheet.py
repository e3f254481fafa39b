"""Sheets hold every picture, however long, wide or small it is."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

from topformer_cli.draw import (
    Sheet,
    Tile,
    contact_sheet,
    draw_sheet,
    fit,
    justified,
    matted,
    row_width,
)
from topformer_cli.draw.legend import Entry
from topformer_cli.draw.sheet import GAP

length = st.integers(1, 4000)
sizes = st.tuples(length, length)


def plain(width: int, height: int, colour: tuple[int, int, int]) -> Image.Image:
    return Image.new("RGB", (width, height), colour)


def sheet_of(tiles: list[Tile], width: int) -> np.ndarray:
    legend = (Entry("road", (9, 9, 200), "3%"),)
    sheet = Sheet(
        heading="A set", note="words", tiles=tiles, width=width, legend=legend, footer="Terms: none"
    )
    return np.asarray(draw_sheet(sheet))


@pytest.mark.parametrize("width", [1, 500, 2000])
def test_every_pixel_of_every_picture_is_on_the_sheet(width: int) -> None:
    shapes = [(300, 200), (40, 200), (1, 1), (900, 30), (150, 200)]
    colours = [(200, index, 100) for index in range(len(shapes))]
    tiles = [
        Tile(f"image {index}", "note", (plain(*shape, colour),))
        for index, (shape, colour) in enumerate(zip(shapes, colours, strict=True))
    ]
    pixels = sheet_of(tiles, width)
    for (wide, high), colour in zip(shapes, colours, strict=True):
        rows, columns = np.nonzero((pixels == colour).all(axis=2))
        assert len(rows) == wide * high
        assert np.ptp(rows) + 1 == high
        assert np.ptp(columns) + 1 == wide


def test_pictures_of_a_tile_stand_beside_each_other() -> None:
    tile = Tile("x", "", (plain(100, 50, (200, 0, 0)), plain(100, 50, (0, 200, 0))))
    pixels = sheet_of([tile, tile], row_width(100, 2, 2))
    red, green = (np.nonzero((pixels == c).all(axis=2)) for c in ((200, 0, 0), (0, 200, 0)))
    assert set(red[0]) == set(green[0])
    assert len(red[0]) == 2 * 100 * 50


def test_long_words_and_an_empty_legend_do_no_harm() -> None:
    tile = Tile("t" * 500, "n" * 500, (plain(20, 20, (1, 2, 3)),))
    words = "long " * 200
    sheet = Sheet(heading=words, note="w" * 900, tiles=[tile], width=10, legend=(), footer=words)
    assert draw_sheet(sheet).width < 600


@given(sizes, sizes)
def test_a_picture_fits_its_cell(size: tuple[int, int], cell: tuple[int, int]) -> None:
    width, height = fit(size, cell)
    assert 1 <= width <= cell[0]
    assert 1 <= height <= cell[1]
    assert width == cell[0] or height == cell[1]


@given(st.lists(sizes, min_size=1, max_size=30), st.integers(600, 3000))
@example([(1, 2), (1, 2), (584, 1)], 613)
def test_justified_rows_fill_the_width_and_keep_shapes(
    drawn: list[tuple[int, int]], width: int
) -> None:
    found = justified(drawn, width, 300)
    assert len(found) == len(drawn)
    for (width_was, height_was), (wide, high) in zip(drawn, found, strict=True):
        shape = width_was / height_was
        assert wide <= width
        assert abs(wide - shape * high) <= 1 + shape
    rows: list[list[int]] = []
    room = 0
    for wide, _ in found:
        if room < wide:
            rows.append([])
            room = width
        rows[-1].append(wide)
        room -= wide + GAP
    for row in rows[:-1]:
        assert width - sum(row) - GAP * (len(row) - 1) <= len(row) + GAP


def test_rows_of_usual_pictures_are_about_as_high_as_asked_for() -> None:
    drawn = [(640, 480), (480, 640), (640, 427), (500, 375), (375, 500)] * 5
    heights = [high for _, high in justified(drawn, 1240, 300)]
    assert min(heights) > 220
    assert max(heights) < 400


def test_a_mat_surrounds_a_picture_evenly() -> None:
    pixels = np.asarray(matted(plain(60, 20, (9, 9, 9)), (100, 100)))
    assert pixels.shape == (100, 100, 3)
    assert (pixels[40:60, 20:80] == 9).all()
    assert (pixels == 9).sum() == 60 * 20 * 3


def test_contact_sheet_scales_every_picture_to_one_height() -> None:
    rows = [(np.zeros((50, 100, 3), np.uint8),) * 2, (np.zeros((100, 100, 3), np.uint8),) * 2]
    sheet = contact_sheet(rows, ("image", "labels"), height=40)
    assert sheet.size == (2 * 80 + 3 * 6, 26 + 2 * 46)
    dark = (np.asarray(sheet.convert("L"))[30] == 0).sum()
    assert dark == 160
