"""Contact sheets: many pictures on one, each under its title, with a legend below."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from PIL import Image, ImageDraw

from topformer_cli.draw.labels import Picture
from topformer_cli.draw.legend import Entry, legend_picture
from topformer_cli.draw.lettering import drawable, font_for, shortened, wrapped

HEADING: Final = 17
POINTS: Final = 13
SMALL: Final = 11
"""Sizes of letters."""

MARGIN: Final = 16
GAP: Final = 14
SEAM: Final = 4
"""Pixels around a sheet, between its tiles, and between the pictures of a tile."""

NARROWEST: Final = 480
"""The least width of a sheet, so that its heading has room."""

ONE_LINE: Final = 480
"""From this width on, a tile's title and its note stand on one line."""

Colour = str | tuple[int, int, int]
GREY: Final = (105, 105, 105)

Size = tuple[int, int]
"""Width and height in pixels."""


@dataclass(frozen=True, slots=True)
class Tile:
    """One image of a sheet: its pictures side by side below a title and a few smaller words."""

    title: str
    note: str
    pictures: tuple[Image.Image, ...]

    @property
    def size(self) -> Size:
        """Width and height of the pictures with the seams between them."""
        seams = SEAM * (len(self.pictures) - 1)
        width = sum(one.width for one in self.pictures) + seams
        return width, max(one.height for one in self.pictures)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """A heading, tiles in so many columns, the colours' names, and words at the foot."""

    heading: str
    note: str
    tiles: Sequence[Tile]
    columns: int
    legend: Sequence[Entry]
    footer: str = ""


def fit(size: Size, cell: Size) -> Size:
    """Return the largest size of the same shape that a cell holds."""
    scale = min(cell[0] / size[0], cell[1] / size[1])
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def draw_sheet(sheet: Sheet) -> Image.Image:
    """Lay out a sheet; tiles stand on one grid, and rows are as high as their pictures need."""
    cell = max((tile.size[0] for tile in sheet.tiles), default=0)
    inner = max(sheet.columns * (cell + GAP) - GAP, NARROWEST)
    rows = [
        sheet.tiles[start : start + sheet.columns]
        for start in range(0, len(sheet.tiles), sheet.columns)
    ]
    blocks = [
        _words([(sheet.heading, HEADING, "black"), (sheet.note, POINTS, GREY)], inner),
        *(_row(tiles, cell, inner) for tiles in rows),
    ]
    if sheet.legend:
        blocks.append(legend_picture(sheet.legend, inner, POINTS))
    if sheet.footer:
        blocks.append(_words([(sheet.footer, SMALL, GREY)], inner))
    return _stacked(blocks)


def contact_sheet(
    rows: Sequence[Sequence[Picture]], titles: Sequence[str], height: int = 180
) -> Image.Image:
    """Lay pictures out in a grid with a title above each column; all scaled to one height."""
    scaled = [[_scaled(picture, height) for picture in row] for row in rows]
    widths = [max(row[index].width for row in scaled) for index in range(len(titles))]
    gap, head = 6, 26
    sheet = Image.new(
        "RGB", (sum(widths) + gap * (len(widths) + 1), head + len(rows) * (height + gap)), "white"
    )
    pen = ImageDraw.Draw(sheet)
    left = gap
    for index, title in enumerate(titles):
        pen.text((left, 5), title, fill="black", font=font_for(title, 14))
        for number, row in enumerate(scaled):
            sheet.paste(row[index], (left, head + number * (height + gap)))
        left += widths[index] + gap
    return sheet


def _scaled(picture: Picture, height: int) -> Image.Image:
    image = Image.fromarray(picture)
    return image.resize((max(1, round(image.width * height / image.height)), height))


def _row(tiles: Sequence[Tile], cell: int, inner: int) -> Image.Image:
    stacked = cell < ONE_LINE
    head = _line(POINTS) + (_line(SMALL) if stacked else 0) + SEAM
    canvas = Image.new("RGB", (inner, head + max(tile.size[1] for tile in tiles)), "white")
    pen = ImageDraw.Draw(canvas)
    for index, tile in enumerate(tiles):
        left = index * (cell + GAP)
        font = font_for(tile.title, POINTS, bold=True)
        title = shortened(tile.title, font, cell)
        pen.text((left, _line(POINTS) / 2), title, fill="black", font=font, anchor="lm")
        small = font_for(tile.note, SMALL)
        indent = 0 if stacked else font.getlength(title) + GAP
        middle = _line(POINTS) + _line(SMALL) / 2 if stacked else _line(POINTS) / 2
        note = shortened(tile.note, small, cell - indent)
        pen.text((left + indent, middle), note, fill=GREY, font=small, anchor="lm")
        for picture in tile.pictures:
            canvas.paste(picture, (left, head))
            left += picture.width + SEAM
    return canvas


def _words(lines: Sequence[tuple[str, int, Colour]], inner: int) -> Image.Image:
    """Draw texts below each other, each broken where the sheet ends."""
    broken = [
        (line, font_for(text, points, bold=points == HEADING), points, colour)
        for text, points, colour in lines
        for line in wrapped(drawable(text), font_for(text, points, bold=points == HEADING), inner)
    ]
    canvas = Image.new("RGB", (inner, sum(_line(points) for _, _, points, _ in broken)), "white")
    pen = ImageDraw.Draw(canvas)
    top = 0
    for line, font, points, colour in broken:
        pen.text((0, top + _line(points) / 2), line, fill=colour, font=font, anchor="lm")
        top += _line(points)
    return canvas


def _stacked(blocks: Sequence[Image.Image]) -> Image.Image:
    width = max(block.width for block in blocks) + 2 * MARGIN
    height = sum(block.height + GAP for block in blocks) - GAP + 2 * MARGIN
    canvas = Image.new("RGB", (width, height), "white")
    top = MARGIN
    for block in blocks:
        canvas.paste(block, (MARGIN, top))
        top += block.height + GAP
    return canvas


def _line(points: int) -> int:
    return round(points * 1.5)
