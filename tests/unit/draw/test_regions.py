"""Names are written into the regions that have room for them."""

import numpy as np
from PIL import Image

from topformer_cli.draw import IGNORE, Legend, name_regions

LEGEND = Legend(("road", "sky"), ((10, 20, 40), (200, 0, 0)))


def named(labels: np.ndarray) -> np.ndarray:
    picture = Image.new("RGB", (labels.shape[1], labels.shape[0]), (90, 90, 90))
    name_regions(picture, labels, LEGEND)
    return (np.asarray(picture) != 90).any(axis=2)


def test_a_name_stands_inside_its_region() -> None:
    labels = np.full((120, 200), IGNORE, np.uint8)
    labels[10:110, 100:190] = 1
    ink = named(labels)
    assert ink[labels == 1].any()
    assert not ink[labels == IGNORE].any()


def test_each_region_with_room_has_its_name() -> None:
    labels = np.zeros((120, 200), np.uint8)
    labels[:, 100:] = 1
    ink = named(labels)
    assert ink[:, :100].any()
    assert ink[:, 100:].any()


def test_a_thin_region_and_what_is_ignored_have_none() -> None:
    labels = np.full((120, 200), IGNORE, np.uint8)
    labels[50:60] = 0
    assert not named(labels).any()
    assert not named(np.zeros((1, 1), np.uint8)).any()
