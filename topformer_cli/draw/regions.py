"""Writes class names into the regions of a label map."""

from typing import Final

import cv2
import numpy as np
from PIL import Image, ImageDraw

from topformer_cli.draw.labels import Legend, Picture
from topformer_cli.draw.lettering import font_for

POINTS: Final = 12
SLIMMEST: Final = 9
"""Pixels from the middle of a region to its border below which it gets no name."""

Box = tuple[float, float, float, float]


def name_regions(picture: Image.Image, labels: Picture, legend: Legend) -> None:
    """Write each class's name into the thickest place of its pixels, where there is room.

    picture and labels [H, W] are of one size; legend has names that can be drawn.
    """
    pen = ImageDraw.Draw(picture)
    taken: list[Box] = []
    found = np.flatnonzero(np.bincount(labels.ravel(), minlength=256)[: len(legend.classes)])
    middles = sorted(((_thickest(labels == value), int(value)) for value in found), reverse=True)
    for (radius, x, y), value in middles:
        if radius < SLIMMEST:
            return
        name = legend.classes[value]
        font = font_for(name, POINTS)
        half = font.getlength(name) / 2 + 2
        x = min(max(x, half), picture.width - half)
        box = (x - half, y - POINTS * 0.7, x + half, y + POINTS * 0.7)
        if 2 * half > picture.width or any(overlap(box, other) for other in taken):
            continue
        taken.append(box)
        pen.text(
            (x, y), name, fill="white", font=font, anchor="mm", stroke_width=2, stroke_fill="black"
        )


def overlap(one: Box, other: Box) -> bool:
    """Return whether two boxes (left, top, right, bottom) share a point."""
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _thickest(mask: np.ndarray) -> tuple[float, float, float]:
    """Return the largest distance to the mask's border, and the x and y of that place."""
    distance = cv2.distanceTransform(np.pad(mask, 1).astype(np.uint8), cv2.DIST_L2, 3)
    y, x = np.unravel_index(np.argmax(distance), distance.shape)
    return float(distance[y, x]), float(x - 1), float(y - 1)
