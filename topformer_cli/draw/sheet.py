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

Colour = str | tuple[int, int, int]
TITLE_LINES: Final = 3
"""The most lines of a tile's title."""

GREY: Final = (105, 105, 105)
MAT: Final = (240, 240, 240)

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
    """A heading, tiles that fill rows of a width in pixels, the colours' names, a foot."""

    heading: str
    note: str
    tiles: Sequence[Tile]
    width: int
    legend: Sequence[Entry]
    footer: str = ""


def justified(sizes: Sequence[Size], width: int, height: int) -> list[Size]:
    """Return sizes of the same shapes at which tiles of one picture fill rows of a width.

    A row is about as high as asked for, whatever filling it takes; the last one may stay open.
    """
    rows: list[list[float]] = [[]]
    for shape in (size[0] / size[1] for size in sizes):
        row = [*rows[-1], shape]
        over = height - _filling(row, width)
        if rows[-1] and over > 0 and _filling(rows[-1], width) - height < over:
            rows.append([shape])
        else:
            rows[-1:] = [row, []] if over > 0 else [row]
    heights = [_filling(row, width) for row in rows if row]
    heights[-1] = min(heights[-1], height)
    return [
        (wide, max(1, round(high)))
        for row, high in zip(rows, heights, strict=False)
        for wide in _widths([shape * high for shape in row], width)
    ]


def _widths(row: Sequence[float], width: int) -> list[int]:
    """Round the widths of a row down, none below 1; the widest gives what that takes."""
    widths = [max(1, int(wide)) for wide in row]
    widths[widths.index(max(widths))] -= max(0, sum(widths) + GAP * (len(row) - 1) - width)
    return widths


def _filling(row: Sequence[float], width: int) -> float:
    """Return the height at which pictures of given width / height fill a row."""
    return (width - GAP * (len(row) - 1)) / sum(row)


def matted(picture: Image.Image, cell: Size) -> Image.Image:
    """Return a picture in the middle of a cell of light grey."""
    canvas = Image.new("RGB", cell, MAT)
    canvas.paste(picture, ((cell[0] - picture.width) // 2, (cell[1] - picture.height) // 2))
    return canvas


def row_width(picture: int, pictures: int, tiles: int) -> int:
    """Return the width of so many tiles of so many pictures, each picture pixels wide."""
    return tiles * (picture * pictures + SEAM * (pictures - 1) + GAP) - GAP


def fit(size: Size, cell: Size) -> Size:
    """Return the largest size of the same shape that a cell holds."""
    scale = min(cell[0] / size[0], cell[1] / size[1])
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def draw_sheet(sheet: Sheet) -> Image.Image:
    """Lay out a sheet; a row takes as many tiles as fit, and is as high as they need."""
    inner = max(sheet.width, NARROWEST, *(tile.size[0] for tile in sheet.tiles))
    blocks = [
        _words([(sheet.heading, HEADING, "black"), (sheet.note, POINTS, GREY)], inner),
        *(_row(tiles, inner) for tiles in _rows(sheet.tiles, inner)),
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


def _rows(tiles: Sequence[Tile], inner: int) -> list[list[Tile]]:
    rows: list[list[Tile]] = []
    left = inner
    for tile in tiles:
        if left + tile.size[0] > inner:
            rows.append([])
            left = 0
        rows[-1].append(tile)
        left += tile.size[0] + GAP
    return rows


def _row(tiles: Sequence[Tile], inner: int) -> Image.Image:
    heads = [_head(tile) for tile in tiles]
    head = max(one.height for one in heads) + SEAM
    canvas = Image.new("RGB", (inner, head + max(tile.size[1] for tile in tiles)), "white")
    left = 0
    for tile, words in zip(tiles, heads, strict=True):
        canvas.paste(words, (left, head - SEAM - words.height))
        for picture in tile.pictures:
            canvas.paste(picture, (left, head))
            left += picture.width + SEAM
        left += GAP - SEAM
    return canvas


def _head(tile: Tile) -> Image.Image:
    """Draw a title and its note: on one line over a row of pictures, else below each other."""
    width = tile.size[0]
    title, note = font_for(tile.title, POINTS, bold=True), font_for(tile.note, SMALL)
    lines = wrapped(tile.title, title, width, most=TITLE_LINES)
    beside = len(tile.pictures) > 1 and len(lines) == 1
    height = _line(POINTS) * len(lines) + (0 if beside else _line(SMALL))
    canvas = Image.new("RGB", (width, height), "white")
    pen = ImageDraw.Draw(canvas)
    for number, line in enumerate(lines):
        middle = _line(POINTS) * (number + 0.5)
        pen.text((0, middle), line, fill="black", font=title, anchor="lm")
    left = title.getlength(lines[0]) + GAP if beside else 0
    middle = _line(POINTS) / 2 if beside else height - _line(SMALL) / 2
    text = shortened(tile.note, note, width - left)
    pen.text((left, middle), text, fill=GREY, font=note, anchor="lm")
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
