"""Pictures of label maps."""

import io

import numpy as np
import pytest
from PIL import Image

from topformer_cli.draw import (
    IGNORE,
    Legend,
    class_shares,
    colours,
    contact_sheet,
    label_image,
    overlay,
    overlay_with_legend,
    png,
)

LEGEND = Legend(("road", "sky", "tree"), ((10, 20, 40), (200, 0, 0), (0, 250, 0)))
LABELS = np.array([[0, 0, 1, 1], [0, 0, IGNORE, 1]], np.uint8)
IMAGE = np.full((2, 4, 3), 100, np.uint8)


def test_every_pixel_gets_its_class_colour() -> None:
    painted = colours(LABELS, LEGEND)
    assert painted[0].tolist() == [[10, 20, 40], [10, 20, 40], [200, 0, 0], [200, 0, 0]]
    assert painted[1, 2].tolist() == [0, 0, 0]


def test_overlay_blends_and_leaves_ignored_pixels_alone() -> None:
    blended = overlay(IMAGE, LABELS, LEGEND)
    assert blended[0, 0].tolist() == [50, 56, 67]  # 45% of 100 and 55% of the colour
    assert blended[1, 2].tolist() == [100, 100, 100]
    assert blended.dtype == np.uint8


def test_shares_are_of_all_pixels_largest_first() -> None:
    assert class_shares(LABELS, LEGEND) == [("road", 0.5), ("sky", 0.375)]


def test_label_image_holds_the_ids_themselves() -> None:
    read = Image.open(io.BytesIO(png(label_image(LABELS, LEGEND))))
    assert read.mode == "P"
    assert np.array_equal(np.asarray(read), LABELS)
    assert np.array_equal(np.asarray(read.convert("RGB")), colours(LABELS, LEGEND))


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


def test_contact_sheet_scales_every_picture_to_one_height() -> None:
    rows = [(np.zeros((50, 100, 3), np.uint8),) * 2, (np.zeros((100, 100, 3), np.uint8),) * 2]
    sheet = contact_sheet(rows, ("image", "labels"), height=40)
    assert sheet.size == (2 * 80 + 3 * 6, 26 + 2 * 46)
    dark = (np.asarray(sheet.convert("L"))[30] == 0).sum()
    assert dark == 160
