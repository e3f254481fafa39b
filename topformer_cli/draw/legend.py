"""Lists of class names beside their colours."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from PIL import Image, ImageDraw

from topformer_cli.draw.labels import Legend, Picture, class_shares, hatching, overlay
from topformer_cli.draw.lettering import Font, drawable_names, font_for, shortened

SMALLEST_SHARE: Final = 0.005
"""A class on less than this share of the pixels is left out of the legend of an overlay."""

WIDEST: Final = 22
"""The most room for a name, in units of the letters' size."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of a legend: a name that can be drawn, a colour (None: hatched), a few words."""

    name: str
    colour: tuple[int, int, int] | None
    note: str = ""


def legend_picture(entries: Sequence[Entry], width: int, points: int) -> Image.Image:
    """Draw entries in columns on white, at least width pixels wide, in letters of points size."""
    row = round(points * 1.6)
    names = [_name(one.name, points) for one in entries]
    plain = font_for("", points)
    lengths = [
        font.getlength(name) + plain.getlength(f" {one.note}")
        for (name, font), one in zip(names, entries, strict=True)
    ]
    column = round(max(lengths, default=0)) + 2 * row
    columns = max(1, width // column)
    rows = -(-len(entries) // columns)
    canvas = Image.new("RGB", (max(width, column), rows * row + row // 2), "white")
    pen = ImageDraw.Draw(canvas)
    for index, ((name, font), entry) in enumerate(zip(names, entries, strict=True)):
        left, top = (index // rows) * column + row // 4, (index % rows) * row + row // 4
        _swatch(canvas, (left, top), row * 3 // 4, entry.colour)
        middle = top + row * 3 / 8
        pen.text((left + row, middle), name, fill="black", font=font, anchor="lm")
        # Apart from the name: in one line with letters that run leftwards it would stand before it.
        end = left + row + font.getlength(name)
        pen.text((end, middle), f" {entry.note}", fill="black", font=plain, anchor="lm")
    return canvas


def overlay_with_legend(image: Picture, labels: Picture, legend: Legend) -> Image.Image:
    """Return the overlay with the classes that occur, largest first, listed below it."""
    width = image.shape[1]
    names = dict(zip(legend.classes, drawable_names(legend.classes), strict=True))
    palette = dict(zip(legend.classes, legend.palette, strict=True))
    entries = [
        Entry(names[name], palette[name], f"{share:.0%}")
        for name, share in class_shares(labels, legend)
        if share >= SMALLEST_SHARE
    ]
    below = legend_picture(entries, width, points=max(12, min(20, width // 36)))
    canvas = Image.new("RGB", (below.width, image.shape[0] + below.height), "white")
    canvas.paste(Image.fromarray(overlay(image, labels, legend)), (0, 0))
    canvas.paste(below, (0, image.shape[0]))
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
