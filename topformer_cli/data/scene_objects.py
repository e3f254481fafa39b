"""The things in a rendered street: houses, trees, cars and signs, each drawn with its label."""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from topformer_cli.data.decode import Pixels

Rgb = tuple[float, float, float]
Point = tuple[float, float]
World = tuple[float, float, float]
"""Metres to the right of the camera, above the ground, and ahead."""

SKY, BUILDING, TREE, GRASS, ROAD, CAR, SIGN = range(7)

WALLS: Final[tuple[Rgb, ...]] = (
    (196, 142, 112), (214, 190, 152), (178, 98, 78), (222, 214, 198),
    (152, 156, 166), (206, 172, 104), (146, 170, 178), (188, 148, 148),
)  # fmt: skip
ROOFS: Final[tuple[Rgb, ...]] = ((122, 58, 46), (92, 74, 68), (84, 90, 102), (148, 82, 54))
PAINTS: Final[tuple[Rgb, ...]] = (
    (196, 32, 36), (28, 72, 168), (236, 236, 238), (34, 36, 42),
    (232, 184, 32), (150, 156, 166), (24, 122, 104),
)  # fmt: skip
LEAVES: Final[tuple[Rgb, ...]] = (
    (52, 104, 42),
    (38, 88, 48),
    (84, 122, 40),
    (150, 112, 36),
    (46, 96, 72),
)


@dataclass(slots=True)
class Canvas:
    """A picture and its labels, drawn together through one camera.

    focal in pixels; vanish is the vanishing point (column, row); eye the camera's height in
    metres; haze the colour that distance fades to; sun is -1 for light from the left, 1 from the
    right.
    """

    image: Pixels
    mask: Pixels
    focal: float
    vanish: Point
    eye: float
    haze: Rgb
    sun: int

    def project(self, point: World) -> Point:
        """Return the (column, row) of a point in front of the camera."""
        x, y, z = point
        scale = self.focal / z
        return self.vanish[0] + x * scale, self.vanish[1] + (self.eye - y) * scale

    def face(self, corners: list[World], colour: Rgb, label: int) -> None:
        """Fill a polygon given in metres; distance fades its colour."""
        near = min(corner[2] for corner in corners)
        self.shape([self.project(corner) for corner in corners], self.faded(colour, near), label)

    def shape(self, points: list[Point], colour: Rgb, label: int) -> None:
        """Fill a polygon given in pixels."""
        polygon = np.round(points).astype(np.int32)
        cv2.fillPoly(self.image, [polygon], colour)
        cv2.fillPoly(self.mask, [polygon], (label,))

    def disc(self, centre: Point, radii: Point, colour: Rgb, label: int) -> None:
        """Fill an ellipse given in pixels."""
        middle = (round(centre[0]), round(centre[1]))
        axes = (max(round(radii[0]), 1), max(round(radii[1]), 1))
        cv2.ellipse(self.image, middle, axes, 0, 0, 360, colour, -1)
        cv2.ellipse(self.mask, middle, axes, 0, 0, 360, (label,), -1)

    def shadow(self, centre: World, radius: float) -> None:
        """Darken an ellipse on the ground, without changing its label."""
        column, row = self.project(centre)
        width = radius * self.focal / centre[2]
        height = max(width * self.eye / centre[2], 1.0)
        left, right = max(int(column - width), 0), min(int(column + width) + 1, self.mask.shape[1])
        top, bottom = max(int(row - height), 0), min(int(row + height) + 1, self.mask.shape[0])
        if left >= right or top >= bottom:
            return
        rows, columns = np.ogrid[top:bottom, left:right]
        inside = ((columns - column) / width) ** 2 + ((rows - row) / height) ** 2
        dark = 1 - 0.5 * np.clip(1.2 * (1 - inside), 0, 1)
        part = self.image[top:bottom, left:right]
        part[...] = (part * dark[..., None]).astype(np.uint8)

    def faded(self, colour: Rgb, distance: float) -> Rgb:
        """Return a colour as seen through the air."""
        return mixed(colour, self.haze, 1 - float(np.exp(-distance / 110)))


def mixed(first: Rgb, second: Rgb, share: float) -> Rgb:
    """Return a colour between two; share 1 is the second."""
    a, b, c = (x + (y - x) * share for x, y in zip(first, second, strict=True))
    return a, b, c


def lit(colour: Rgb, factor: float) -> Rgb:
    """Return a colour made lighter or darker."""
    red, green, blue = (min(max(channel * factor, 0.0), 255.0) for channel in colour)
    return red, green, blue


def draw_house(canvas: Canvas, rng: np.random.Generator, x: float, z: float) -> None:
    """Draw a house whose corner nearest to the road stands at (x, z)."""
    side = 1 if x > 0 else -1
    wide, deep = rng.uniform(5, 9), rng.uniform(6, 10)
    high = float(rng.choice([3.2, 5.8, 5.8, 8.4, 11.0]))
    wall, roof = WALLS[rng.integers(len(WALLS))], ROOFS[rng.integers(len(ROOFS))]
    outer, back = x + side * wide, z + deep
    bright_side = 1.08 if side != canvas.sun else 0.72
    canvas.face(
        [(x, 0, z), (x, 0, back), (x, high, back), (x, high, z)], lit(wall, bright_side), BUILDING
    )
    canvas.face(
        [(x, 0, z), (outer, 0, z), (outer, high, z), (x, high, z)], lit(wall, 0.9), BUILDING
    )
    _side_windows(canvas, rng, (x, z), (deep, high))
    _front_windows(canvas, (x, z), (side * wide, high))
    if high < 10:
        ridge = high + rng.uniform(1.4, 2.6)
        middle = (x + outer) / 2
        canvas.face(
            [(x, high, z), (x, high, back), (middle, ridge, back), (middle, ridge, z)],
            lit(roof, bright_side), BUILDING,
        )  # fmt: skip
        canvas.face([(x, high, z), (outer, high, z), (middle, ridge, z)], lit(wall, 0.82), BUILDING)


def _side_windows(canvas: Canvas, rng: np.random.Generator, at: Point, size: Point) -> None:
    x, z = at
    deep, high = size
    glass: Rgb = (70, 92, 116) if rng.random() < 0.7 else (248, 216, 140)
    for floor in np.arange(0.9, high - 1.2, 2.6):
        for start in np.arange(z + 0.8, z + deep - 1.2, 2.2):
            low, top = float(floor), float(floor) + 1.3
            first, last = float(start), float(start) + 1.1
            canvas.face(
                [(x, low, first), (x, low, last), (x, top, last), (x, top, first)], glass, BUILDING
            )


def _front_windows(canvas: Canvas, at: Point, size: Point) -> None:
    x, z = at
    wide, high = size
    step = 1 if wide > 0 else -1
    for floor in np.arange(0.9, high - 1.2, 2.6):
        for start in np.arange(0.8, abs(wide) - 1.4, 2.1):
            low, top = float(floor), float(floor) + 1.3
            left, right = x + step * float(start), x + step * (float(start) + 1.1)
            frame = [(left, low, z), (right, low, z), (right, top, z), (left, top, z)]
            canvas.face(frame, (58, 76, 98), BUILDING)
            middle = (low + top) / 2
            pane = [(left, middle, z), (right, middle, z), (right, top, z), (left, top, z)]
            canvas.face(pane, (104, 128, 150), BUILDING)


def draw_tree(canvas: Canvas, rng: np.random.Generator, x: float, z: float) -> None:
    """Draw a round tree or a conifer."""
    high = rng.uniform(4.0, 8.5)
    canvas.shadow((x, 0, z), 0.28 * high)
    leaf = canvas.faded(LEAVES[rng.integers(len(LEAVES))], z)
    trunk = canvas.faded((84, 62, 44), z)
    unit = canvas.focal / z
    foot = canvas.project((x, 0, z))
    half = max(0.13 * unit, 2)
    crown = foot[1] - 0.42 * high * unit
    canvas.shape(
        [(foot[0] - half, foot[1]), (foot[0] + half, foot[1]), (foot[0] + half * 0.6, crown),
         (foot[0] - half * 0.6, crown)], trunk, TREE,
    )  # fmt: skip
    if rng.random() < 0.3:
        _conifer(canvas, foot, (high * unit, unit), leaf)
    else:
        _crown(canvas, rng, (foot[0], foot[1] - 0.64 * high * unit), 0.34 * high * unit, leaf)


def _conifer(canvas: Canvas, foot: Point, size: Point, leaf: Rgb) -> None:
    high, unit = size
    for tier in range(4):
        base = foot[1] - high * (0.14 + 0.2 * tier)
        half = (1.5 - 0.3 * tier) * unit
        top = base - high * 0.26
        for edge, tone in ((-half, 1.25), (half, 0.75)):
            bright = lit(leaf, tone if canvas.sun < 0 else 2 - tone)
            canvas.shape([(foot[0], top), (foot[0] + edge, base), (foot[0], base)], bright, TREE)


def _crown(
    canvas: Canvas, rng: np.random.Generator, centre: Point, radius: float, leaf: Rgb
) -> None:
    """Draw leaves as tufts, dark ones first and light ones towards the sun."""
    canvas.disc(centre, (radius * 0.85, radius * 0.9), lit(leaf, 0.72), TREE)
    tufts = rng.normal(0, 0.42, (34, 2)).clip(-0.85, 0.85)
    light = canvas.sun * tufts[:, 0] - tufts[:, 1]
    for index in np.argsort(light):
        offset = tufts[index] * radius
        tone = 0.78 + 0.3 * float(light[index]) + rng.uniform(-0.06, 0.06)
        size = radius * rng.uniform(0.16, 0.34)
        place = (centre[0] + offset[0], centre[1] + offset[1])
        canvas.disc(place, (size, size * 0.85), lit(leaf, min(max(tone, 0.5), 1.35)), TREE)


def draw_car(canvas: Canvas, rng: np.random.Generator, x: float, z: float) -> None:
    """Draw a car on the ground, from behind, from ahead, or from its side."""
    canvas.shadow((x, 0, z), 1.5)
    paint = PAINTS[rng.integers(len(PAINTS))]
    if rng.random() < 0.35:
        _car_side(canvas, (x, z), paint)
    else:
        _car_end(
            canvas, (x, z), paint, lamps=(214, 28, 30) if rng.random() < 0.6 else (250, 246, 214)
        )


def _car_end(canvas: Canvas, at: Point, paint: Rgb, lamps: Rgb) -> None:
    x, z = at

    def box(left: float, bottom: float, right: float, top: float, colour: Rgb) -> None:
        first, last = x + left, x + right
        corners = [(first, bottom, z), (last, bottom, z), (last, top, z), (first, top, z)]
        canvas.face(corners, colour, CAR)

    for wheel in (-0.82, 0.52):
        box(wheel, 0.0, wheel + 0.3, 0.5, (22, 22, 24))
    roof = [(x - 0.55, 1.5, z), (x + 0.55, 1.5, z), (x + 0.82, 0.9, z), (x - 0.82, 0.9, z)]
    canvas.face(roof, lit(paint, 0.85), CAR)
    glass = [(x - 0.46, 1.4, z), (x + 0.46, 1.4, z), (x + 0.66, 0.95, z), (x - 0.66, 0.95, z)]
    canvas.face(glass, (46, 60, 74), CAR)
    box(-0.92, 0.28, 0.92, 0.92, paint)
    box(-0.92, 0.28, 0.92, 0.42, lit(paint, 0.5))
    for lamp in (-0.86, 0.58):
        box(lamp, 0.62, lamp + 0.28, 0.8, lamps)
    box(-0.24, 0.46, 0.24, 0.58, (232, 232, 226))


def _car_side(canvas: Canvas, at: Point, paint: Rgb) -> None:
    x, z = at

    def outline(points: list[Point], colour: Rgb) -> None:
        canvas.face([(x + px, py, z) for px, py in points], colour, CAR)

    outline([(-2.1, 0.35), (2.1, 0.35), (2.05, 0.85), (-2.1, 0.95)], paint)
    outline([(-1.7, 0.9), (1.2, 0.86), (0.6, 1.45), (-1.1, 1.45)], lit(paint, 0.92))
    outline([(-1.45, 0.95), (-0.3, 0.95), (-0.3, 1.36), (-1.02, 1.36)], (54, 70, 86))
    outline([(-0.18, 0.95), (0.95, 0.93), (0.52, 1.36), (-0.18, 1.36)], (70, 88, 104))
    outline([(-2.1, 0.35), (2.1, 0.35), (2.1, 0.5), (-2.1, 0.5)], lit(paint, 0.6))
    unit = canvas.focal / z
    for wheel in (-1.3, 1.3):
        centre = canvas.project((x + wheel, 0.34, z))
        canvas.disc(centre, (0.36 * unit, 0.36 * unit), (24, 24, 26), CAR)
        canvas.disc(centre, (0.18 * unit, 0.18 * unit), (150, 152, 156), CAR)


def draw_sign(canvas: Canvas, rng: np.random.Generator, x: float, z: float) -> None:
    """Draw a traffic sign on its pole."""
    unit = canvas.focal / z
    foot, top = canvas.project((x, 0, z)), canvas.project((x, 2.3, z))
    half = max(0.06 * unit, 1.5)
    pole = [(foot[0] - half, foot[1]), (foot[0] + half, foot[1]), (top[0] + half, top[1]),
            (top[0] - half, top[1])]  # fmt: skip
    canvas.shape(pole, (148, 150, 154), SIGN)
    radius = 0.56 * unit
    kind = rng.integers(3)
    if kind == 0:
        canvas.disc(top, (radius, radius), (204, 24, 30), SIGN)
        canvas.disc(top, (radius * 0.7, radius * 0.7), (244, 244, 240), SIGN)
    elif kind == 1:
        canvas.shape(_polygon(top, radius * 1.2, 3), (204, 24, 30), SIGN)
        canvas.shape(
            _polygon((top[0], top[1] + radius * 0.05), radius * 0.72, 3), (250, 226, 60), SIGN
        )
    else:
        canvas.disc(top, (radius, radius), (20, 70, 190), SIGN)
        arrow = [(-0.2, 0.6), (0.2, 0.6), (0.2, 0), (0.52, 0), (0, -0.6), (-0.52, 0), (-0.2, 0)]
        points = [(top[0] + across * radius, top[1] + down * radius) for across, down in arrow]
        canvas.shape(points, (246, 246, 246), SIGN)


def _polygon(centre: Point, radius: float, corners: int) -> list[Point]:
    angles = np.arange(corners) * 2 * np.pi / corners - np.pi / 2
    return [
        (centre[0] + radius * float(np.cos(a)), centre[1] + radius * float(np.sin(a)))
        for a in angles
    ]
