"""Draws boxes with their names and scores."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from PIL import Image, ImageDraw

from topformer_cli.draw.labels import Legend
from topformer_cli.draw.lettering import font_for, shortened
from topformer_cli.draw.regions import overlap

POINTS: Final = 11
LEAST_POINTS: Final = 9
SHORT_SIDE: Final = 45
"""Letters of a large picture have this part of its short side, others POINTS."""
SMALL_SIDE: Final = 30
"""Letters of a small picture have this part of its short side, and LEAST_POINTS at least."""

COVERED: Final = 0.2
"""The share of a box that a name may cover before another place is looked for."""

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

    A name stands outside of its box, where it covers little of any other. It is left out where it
    would lie on others, wherever it stands at its box.
    """
    ordered = sorted(boxes, key=lambda one: -one.box[2] * one.box[3])
    placed = [(one, _corners(one, picture)) for one in ordered]
    for one, corners in placed:
        if one.crowd:
            _hatch(picture, corners, one.colour)
    pen = ImageDraw.Draw(picture)
    points = _points(min(picture.size))
    line = max(2 if picture.height < LARGE else 3, points // 6)
    for one, corners in placed:
        _outline(pen, corners, one, line)
    names = _Names(pen, points, [corners for _, corners in placed])
    for one, corners in placed:
        names.add(one, corners)


def _points(side: int) -> int:
    """Return the size of letters for the short side of a picture."""
    return max(LEAST_POINTS, min(POINTS, side // SMALL_SIDE), side // SHORT_SIDE)


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


@dataclass(frozen=True, slots=True)
class _Names:
    """The names in a picture; boxes are all that should be seen beside them, taken the names'."""

    pen: ImageDraw.ImageDraw
    points: int
    boxes: Sequence[Corners]
    taken: list[Corners] = field(default_factory=list)

    def add(self, one: NamedBox, corners: Corners) -> None:
        """Write a name where it covers no other name and as little as may be of any box."""
        room = self.pen.im.size[0]
        font = font_for(one.words, self.points)
        margin = self.points // 4 + 1
        words = shortened(one.words, font, room - 2 * margin)
        width = font.getlength(words) + 2 * margin
        chips = [chip for chip in self._places(corners, width) if self._is_free(chip)]
        if not chips:
            return
        # Of places that cover no more than a little the first is taken, as they are in order.
        chip = min(chips, key=lambda chip: max(self._covered(chip), COVERED))
        self.taken.append(chip)
        self.pen.rectangle(chip, fill=one.colour)
        middle = (chip[0] + margin, (chip[1] + chip[3]) / 2)
        self.pen.text(middle, words, fill=_contrast(one.colour), font=font, anchor="lm")

    def _places(self, corners: Corners, width: float) -> Iterator[Corners]:
        """Yield where a name can stand: above the box, below it, inside at its head and foot."""
        room = self.pen.im.size[0]
        height = self.points + self.points // 3 + 1
        left, top, right, bottom = corners
        for start in (top - height - 1, bottom + 2, top, bottom - height):
            for side in dict.fromkeys((left, right - width)):
                x = max(min(side, room - width), 0)
                yield x, start, x + width, start + height

    def _is_free(self, chip: Corners) -> bool:
        inside = chip[1] >= 0 and chip[3] <= self.pen.im.size[1]
        return inside and not any(overlap(chip, other) for other in self.taken)

    def _covered(self, chip: Corners) -> float:
        """Return the largest share of any box that a name would cover."""
        return max(_share(chip, box) for box in self.boxes)


def _share(chip: Corners, box: Corners) -> float:
    width = min(chip[2], box[2]) - max(chip[0], box[0])
    height = min(chip[3], box[3]) - max(chip[1], box[1])
    area = (box[2] - box[0]) * (box[3] - box[1])
    return max(width, 0) * max(height, 0) / area if area > 0 else 0.0


def _contrast(colour: Colour) -> Colour:
    """Return black or white, whichever is seen on a colour (brightness by ITU-R BT.601)."""
    bright = 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2] > 140
    return (0, 0, 0) if bright else (255, 255, 255)
