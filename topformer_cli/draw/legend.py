"""Lists of class names beside their colours."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from topformer_cli.draw.labels import Legend, Picture, bands, hatching, overlay, pixel_shares
from topformer_cli.draw.lettering import Font, drawable_names, font_for, shortened

SMALLEST_SHARE: Final = 0.005
"""A class on less than this share of the pixels is left out of the legend of an overlay."""

MOST_LISTED: Final = 24
"""The most classes in the legend of a video."""

WIDEST: Final = 22
"""The most room for a name, in units of the letters' size."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of a legend: a name that can be drawn, a colour (None: hatched), a few words."""

    name: str
    colour: tuple[int, int, int] | None
    note: str = ""


@dataclass(frozen=True, slots=True)
class _Grid:
    """Places for the lines of a legend, column by column; letters and columns in pixels."""

    points: int
    column: int
    rows: int

    @property
    def row(self) -> int:
        return round(self.points * 1.6)

    def picture(self, width: int) -> Image.Image:
        """Return white paper, at least width pixels wide."""
        height = self.rows * self.row + self.row // 2
        return Image.new("RGB", (max(width, self.column), height), "white")

    def draw(self, canvas: Image.Image, index: int, entry: Entry) -> None:
        """Draw an entry at its place."""
        row, pen = self.row, ImageDraw.Draw(canvas)
        left = (index // self.rows) * self.column + row // 4
        top = (index % self.rows) * row + row // 4
        _swatch(canvas, (left, top), row * 3 // 4, entry.colour)
        middle = top + row * 3 / 8
        name, font = _name(entry.name, self.points)
        pen.text((left + row, middle), name, fill="black", font=font, anchor="lm")
        # Apart from the name: in one line with letters that run leftwards it would stand before it.
        end, plain = left + row + font.getlength(name), font_for("", self.points)
        pen.text((end, middle), f" {entry.note}", fill="black", font=plain, anchor="lm")


def _grid(entries: Sequence[Entry], width: int, points: int, most: int) -> _Grid:
    """Return a grid in a width for so many of some entries."""
    plain = font_for("", points)
    lengths = (
        font.getlength(name) + plain.getlength(f" {one.note}")
        for one in entries
        for name, font in [_name(one.name, points)]
    )
    column = round(max(lengths, default=0)) + 2 * round(points * 1.6)
    return _Grid(points, column, rows=-(-most // max(1, width // column)))


def legend_picture(entries: Sequence[Entry], width: int, points: int) -> Image.Image:
    """Draw entries in columns on white, at least width pixels wide, in letters of points size."""
    grid = _grid(entries, width, points, len(entries))
    canvas = grid.picture(width)
    for index, entry in enumerate(entries):
        grid.draw(canvas, index, entry)
    return canvas


def overlay_with_legend(image: Picture, labels: Picture, legend: Legend) -> Image.Image:
    """Return the overlay with the classes that occur, largest first, listed below it."""
    shares = pixel_shares(labels, legend)
    known = _entries(legend)
    order = np.argsort(-shares, kind="stable")
    listed = [
        replace(known[index], note=f"{shares[index]:.0%}")
        for index in order[: int((shares >= SMALLEST_SHARE).sum())]
    ]
    width = image.shape[1]
    return _above(image, labels, legend, legend_picture(listed, width, _points(width)))


class FilmLegend:
    """The overlays of a video's frames above one list of classes.

    A class is listed from the frame on in which it first has SMALLEST_SHARE of the pixels, and
    keeps its place; there is room for MOST_LISTED.
    """

    def __init__(self, legend: Legend, width: int) -> None:
        self.legend = legend
        self.entries = _entries(legend)
        self.room = min(MOST_LISTED, len(self.entries))
        self.grid = _grid(self.entries, width, _points(width), self.room)
        self.below = self.grid.picture(width)
        self.listed: list[int] = []

    def frame(self, image: Picture, labels: Picture, shares: NDArray[np.float64]) -> Image.Image:
        """Return a frame [H, W, 3] with labels [H, W] and its classes' shares, above the list."""
        for index in np.argsort(-shares, kind="stable").tolist():
            new = shares[index] >= SMALLEST_SHARE and index not in self.listed
            if new and len(self.listed) < self.room:
                self.grid.draw(self.below, len(self.listed), self.entries[index])
                self.listed.append(index)
        return _above(image, labels, self.legend, self.below)


def _points(width: int) -> int:
    """Return the size of letters below a picture; what is wide is shown smaller than it is."""
    return max(12, min(20, width // 36), width // 100)


def _entries(legend: Legend) -> list[Entry]:
    names = drawable_names(legend.classes)
    return [Entry(*one) for one in zip(names, legend.palette, strict=True)]


def _above(image: Picture, labels: Picture, legend: Legend, below: Image.Image) -> Image.Image:
    """Return an overlay above a list of classes."""
    height, width = labels.shape
    canvas = Image.new("RGB", (max(width, below.width), height + below.height), "white")
    for rows in bands(labels):
        blended = overlay(image[rows], labels[rows], legend)
        canvas.paste(Image.fromarray(blended), (0, rows.start))
    canvas.paste(below, (0, height))
    return canvas


def _name(name: str, points: int) -> tuple[str, Font]:
    font = font_for(name, points)
    return shortened(name, font, points * WIDEST), font


def _swatch(
    canvas: Image.Image, place: tuple[int, int], side: int, colour: tuple[int, int, int] | None
) -> None:
    left, top = place
    if colour is None:
        canvas.paste(Image.fromarray(hatching(side, side)), place)
    outline = (left, top, left + side, top + side)
    ImageDraw.Draw(canvas).rectangle(outline, fill=colour, outline="black")
