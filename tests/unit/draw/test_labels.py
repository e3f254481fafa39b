"""Pictures of label maps."""

import io

import numpy as np
from PIL import Image

from topformer_cli.draw import (
    IGNORE,
    Legend,
    colours,
    hatched,
    label_image,
    largest_first,
    overlay,
    pixel_shares,
    png,
    with_borders,
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
    shares = pixel_shares(LABELS, LEGEND)
    assert shares.tolist() == [0.5, 0.375, 0]
    assert largest_first(shares, LEGEND) == [("road", 0.5), ("sky", 0.375)]


def test_label_image_holds_the_ids_themselves() -> None:
    read = Image.open(io.BytesIO(png(label_image(LABELS, LEGEND))))
    assert read.mode == "P"
    assert np.array_equal(np.asarray(read), LABELS)
    assert np.array_equal(np.asarray(read.convert("RGB")), colours(LABELS, LEGEND))


def test_what_is_ignored_is_hatched_and_nothing_else() -> None:
    painted = hatched(LABELS, LEGEND)
    known = LABELS != IGNORE
    assert np.array_equal(painted[known], colours(LABELS, LEGEND)[known])
    stripes = hatched(np.full((16, 16), IGNORE, np.uint8), LEGEND)
    assert len(np.unique(stripes)) == 2
    assert (stripes[..., 0] == stripes[..., 2]).all()


def test_borders_are_darker_and_nothing_else_changes() -> None:
    labels = np.zeros((6, 6), np.uint8)
    labels[2:, 3:] = 1
    picture = np.full((6, 6, 3), 200, np.uint8)
    drawn = with_borders(picture, labels)
    changed = (drawn != picture).any(axis=2)
    assert changed[2:, 3].all()
    assert changed[2, 3:].all()
    assert changed.sum() == 4 + 3 - 1
    assert (drawn[changed] == 90).all()
