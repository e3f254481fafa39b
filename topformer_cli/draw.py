"""Pictures of label maps: overlays with a legend, palette PNGs, contact sheets (no torch)."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

IGNORE: Final = 255
OPACITY: Final = 0.55
SMALLEST_SHARE: Final = 0.005
"""A class on less than this share of the pixels is left out of the legend."""

Picture = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Legend:
    """The names and colours of train ids 0, 1, 2, ..."""

    classes: Sequence[str]
    palette: Sequence[tuple[int, int, int]]


def colours(labels: Picture, legend: Legend) -> Picture:
    """Paint a label map [H, W] as RGB [H, W, 3]; ignored pixels are black."""
    return _colour_table(legend)[labels]


def _colour_table(legend: Legend) -> Picture:
    table = np.zeros((256, 3), np.uint8)
    table[: len(legend.palette)] = legend.palette
    return table


def overlay(image: Picture, labels: Picture, legend: Legend) -> Picture:
    """Blend a label map over its picture; shapes [H, W, 3] and [H, W]."""
    painted = colours(labels, legend).astype(np.float32)
    blended = image * (1 - OPACITY) + painted * OPACITY
    blended[labels == IGNORE] = image[labels == IGNORE]
    return blended.round().astype(np.uint8)


def overlay_with_legend(image: Picture, labels: Picture, legend: Legend) -> Image.Image:
    """Return the overlay with the classes that occur, largest first, listed below it."""
    entries = class_shares(labels, legend)
    shown = [entry for entry in entries if entry[1] >= SMALLEST_SHARE]
    width = image.shape[1]
    points = max(12, min(22, width // 36))
    font = ImageFont.load_default(points)
    row = round(points * 1.6)
    column = max((round(font.getlength(f"{name} 100 %")) for name, _ in shown), default=1) + 2 * row
    columns = max(1, width // column)
    rows = -(-len(shown) // columns)
    canvas = Image.new("RGB", (max(width, column), image.shape[0] + rows * row + row // 2), "white")
    canvas.paste(Image.fromarray(overlay(image, labels, legend)), (0, 0))
    pen = ImageDraw.Draw(canvas)
    for index, (name, share) in enumerate(shown):
        left = (index % columns) * column + row // 4
        top = image.shape[0] + (index // columns) * row + row // 4
        colour = tuple(legend.palette[legend.classes.index(name)])
        pen.rectangle((left, top, left + row * 3 // 4, top + row * 3 // 4), colour, "black")
        pen.text((left + row, top), f"{name} {share:.0%}", fill="black", font=font)
    return canvas


def class_shares(labels: Picture, legend: Legend) -> list[tuple[str, float]]:
    """Return (class, share of the pixels) for the classes that occur, largest first."""
    counts = np.bincount(labels.ravel(), minlength=256)[: len(legend.classes)]
    shares = [
        (name, float(count) / labels.size)
        for name, count in zip(legend.classes, counts, strict=True)
        if count
    ]
    return sorted(shares, key=lambda entry: -entry[1])


def label_image(labels: Picture, legend: Legend) -> Image.Image:
    """Return a label map as a palette picture: pixel values are train ids, 255 is ignored."""
    image = Image.frombytes("P", (labels.shape[1], labels.shape[0]), labels.tobytes())
    image.putpalette(_colour_table(legend).ravel().tolist())
    return image


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
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=15)
    left = gap
    for index, title in enumerate(titles):
        pen.text((left, 5), title, fill="black", font=font)
        for number, row in enumerate(scaled):
            sheet.paste(row[index], (left, head + number * (height + gap)))
        left += widths[index] + gap
    return sheet


def _scaled(picture: Picture, height: int) -> Image.Image:
    image = Image.fromarray(picture)
    return image.resize((max(1, round(image.width * height / image.height)), height))


def png(image: Image.Image) -> bytes:
    """Encode a picture as PNG."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def jpeg(picture: Picture) -> bytes:
    """Encode pixels [H, W, 3] as JPEG, for pages that hold many pictures."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=88, subsampling=0)
    return buffer.getvalue()
