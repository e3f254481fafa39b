"""Draws boxes with their names and scores."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from PIL import Image, ImageDraw

from topformer_cli.draw.labels import Legend
from topformer_cli.draw.lettering import font_for, shortened
from topformer_cli.draw.regions import overlap

POINTS: Final = 11
SHORT_SIDE: Final = 45
"""Letters of a large picture have this part of its short side, those of a small one POINTS."""

DASH: Final = 8
HATCH: Final = 9
"""Pixels from dash to dash, and from stripe to stripe, of a crowd's box."""

LARGE: Final = 420
"""Pixels of height from which lines are thicker."""

SMALLEST: Final = 3.0
"""Pixels to which a tiny or empty box is widened, so that it is seen."""

Colour = tuple[int, int, int]
Corners = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class NamedBox:
    """A box (left, top, width, height) in pixels; crowd: it stands for many objects."""

    box: tuple[float, float, float, float]
    name: str
    colour: Colour
    crowd: bool = False
    score: float | None = None

    @property
    def words(self) -> str:
        """What is written beside it."""
        name = f"{self.name} (crowd)" if self.crowd else self.name
        return name if self.score is None else f"{name} {self.score:.2f}"


def named_box(corners: Sequence[float], train_id: int, legend: Legend) -> NamedBox:
    """Return the box between corners (left, top, right, bottom) in its class's colour.

    legend has names that can be drawn.
    """
    left, top, right, bottom = (float(value) for value in corners)
    sides = (left, top, right - left, bottom - top)
    return NamedBox(sides, legend.classes[train_id], legend.palette[train_id])


def draw_boxes(picture: Image.Image, boxes: Sequence[NamedBox]) -> None:
    """Draw boxes into a picture, the largest first; crowds are dashed and hatched.

    A name is left out where it would lie on others, wherever it stands at its box.
    """
    ordered = sorted(boxes, key=lambda one: -one.box[2] * one.box[3])
    placed = [(one, _corners(one, picture)) for one in ordered]
    for one, corners in placed:
        if one.crowd:
            _hatch(picture, corners, one.colour)
    pen = ImageDraw.Draw(picture)
    points = max(POINTS, min(picture.size) // SHORT_SIDE)
    line = max(2 if picture.height < LARGE else 3, points // 6)
    for one, corners in placed:
        _outline(pen, corners, one, line)
    taken: list[Corners] = []
    for one, corners in placed:
        _name(pen, corners, one, points, taken)


def _corners(one: NamedBox, picture: Image.Image) -> Corners:
    left, top, width, height = one.box
    left, right = _span(left, width, picture.width)
    top, bottom = _span(top, height, picture.height)
    return left, top, right, bottom


def _span(start: float, length: float, room: int) -> tuple[float, float]:
    """Return where a side begins and ends inside a picture of room pixels, wide enough to see."""
    low = min(max(start, 0.0), max(room - 1 - SMALLEST, 0.0))
    high = min(max(start + length, low + SMALLEST), float(room - 1))
    return low, max(low, high)


def _outline(pen: ImageDraw.ImageDraw, corners: Corners, one: NamedBox, line: int) -> None:
    left, top, right, bottom = corners
    edge = max(1, line // 3)
    around = (left - edge, top - edge, right + edge, bottom + edge)
    pen.rectangle(around, outline=_contrast(one.colour), width=edge)
    if not one.crowd:
        pen.rectangle(corners, outline=one.colour, width=line)
        return
    for dash in _dashes(corners):
        pen.line(dash, fill=one.colour, width=line)


def _dashes(corners: Corners) -> Iterator[Corners]:
    left, top, right, bottom = corners
    for x in range(int(left), int(right), DASH):
        end = min(x + DASH * 0.6, right)
        yield from ((x, top, end, top), (x, bottom, end, bottom))
    for y in range(int(top), int(bottom), DASH):
        end = min(y + DASH * 0.6, bottom)
        yield from ((left, y, left, end), (right, y, right, end))


def _hatch(picture: Image.Image, corners: Corners, colour: Colour) -> None:
    left, top, right, bottom = (round(value) for value in corners)
    width, height = right - left, bottom - top
    stripes = Image.new("L", (max(width, 1), max(height, 1)), 0)
    pen = ImageDraw.Draw(stripes)
    for start in range(-height, width, HATCH):
        pen.line((start, height, start + height, 0), fill=150, width=2)
    picture.paste(colour, (left, top), stripes)


def _name(
    pen: ImageDraw.ImageDraw, corners: Corners, one: NamedBox, points: int, taken: list[Corners]
) -> None:
    room, depth = pen.im.size
    font = font_for(one.words, points)
    margin = points // 4 + 1
    words = shortened(one.words, font, room - 2 * margin)
    width, height = font.getlength(words) + 2 * margin, points + points // 3 + 1
    left = max(min(corners[0], room - width), 0)
    # Above the box, inside it, below it; inside at its foot.
    for top in (corners[1] - height, corners[1], corners[3], corners[3] - height):
        chip = (left, top, left + width, top + height)
        inside = 0 <= top <= depth - height
        if inside and not any(overlap(chip, other) for other in taken):
            taken.append(chip)
            pen.rectangle(chip, fill=one.colour)
            middle = (left + margin, top + height / 2)
            pen.text(middle, words, fill=_contrast(one.colour), font=font, anchor="lm")
            return


def _contrast(colour: Colour) -> Colour:
    """Return black or white, whichever is seen on a colour (brightness by ITU-R BT.601)."""
    bright = 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2] > 140
    return (0, 0, 0) if bright else (255, 255, 255)
