"""The pictures of a contact sheet: images of a prepared set with their labels, by task."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from PIL import Image

from topformer_cli import draw
from topformer_cli.data.decode import decode_image, decode_mask
from topformer_cli.data.spec import Task
from topformer_cli.data.store import BoxSample, ClassSample, PreparedSet, Sample

WORDS: Final[dict[Task, str]] = {
    "segmentation": "image, labels, overlay",
    "detection": "boxes, dashed and hatched where they stand for a crowd",
    "classification": "each under its class",
}


@dataclass(frozen=True, slots=True)
class Format:
    """How large pictures are, how many belong to an image, and how many images stand in a row."""

    cell: draw.Size
    pictures: int
    columns: int


FORMATS: Final[dict[Task, Format]] = {
    "segmentation": Format((320, 240), 3, 1),
    "detection": Format((400, 300), 1, 3),
    "classification": Format((204, 204), 1, 6),
}


LARGER: Final = {1: 2.0, 2: 1.5}
"""How much larger pictures are where a sheet has so few images."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """The tiles of a sheet, its width in pixels, and the legend of its colours."""

    tiles: tuple[draw.Tile, ...]
    width: int
    legend: tuple[draw.Entry, ...] = ()


@dataclass(frozen=True, slots=True)
class _Look:
    """How the images of a sheet are drawn; legend has names that can be, width is the sheet's."""

    id_map: tuple[int, ...]
    legend: draw.Legend
    cell: draw.Size
    width: int

    def entry(self, train_id: int, note: str) -> draw.Entry:
        """Return a class's line of the legend."""
        return draw.Entry(self.legend.classes[train_id], self.legend.palette[train_id], note)


def draw_images(
    prepared: PreparedSet, split: str, indices: Sequence[int], columns: int | None
) -> Drawn:
    """Draw images of a split with their labels, so many of the usual shape in a row."""
    card = prepared.card
    usual = FORMATS[card.task]
    larger = LARGER.get(len(indices), 1.0)
    cell = round(usual.cell[0] * larger), round(usual.cell[1] * larger)
    square = round(math.sqrt(0.8 * len(indices) * cell[1] / (cell[0] * usual.pictures)))
    columns = min(columns or max(usual.columns, square), len(indices))
    width = draw.row_width(cell[0], usual.pictures, columns)
    legend = draw.Legend(draw.drawable_names(card.classes), card.palette)
    look = _Look(card.id_map, legend, cell, width)
    match card.task:
        case "segmentation":
            return _masks([prepared.sample(split, index) for index in indices], look)
        case "detection":
            return _boxes([prepared.boxes(split, index) for index in indices], look)
        case "classification":
            return _classes([prepared.classified(split, index) for index in indices], look)


def _masks(samples: Sequence[Sample], look: _Look) -> Drawn:
    tiles, counts = [], np.zeros(256, np.int64)
    for sample in samples:
        labels = decode_mask(sample.mask, look.id_map)
        counts += np.bincount(labels.ravel(), minlength=256)
        title, note = draw.drawable(sample.id), f"{sample.width}x{sample.height}"
        tiles.append(draw.Tile(title, note, _mask(sample, labels, look)))
    shares = counts / counts.sum()
    present = [int(one) for one in np.argsort(-counts, kind="stable") if counts[one]]
    entries = [look.entry(one, _percent(shares[one])) for one in present if one != draw.IGNORE]
    if counts[draw.IGNORE]:
        entries.append(draw.Entry("ignored", None, _percent(shares[draw.IGNORE])))
    return Drawn(tuple(tiles), look.width, tuple(entries))


def _mask(sample: Sample, labels: draw.Picture, look: _Look) -> tuple[Image.Image, ...]:
    width, height = size = draw.fit((sample.width, sample.height), look.cell)
    image = np.asarray(_scaled(sample, size))
    labels = np.asarray(cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST), np.uint8)
    labels = labels.reshape(height, width)
    over = Image.fromarray(draw.with_borders(draw.overlay(image, labels, look.legend), labels))
    draw.name_regions(over, labels, look.legend)
    return Image.fromarray(image), Image.fromarray(draw.hatched(labels, look.legend)), over


def _boxes(samples: Sequence[BoxSample], look: _Look) -> Drawn:
    sizes = draw.justified([(one.width, one.height) for one in samples], look.width, look.cell[1])
    tiles = [_boxed(sample, size, look) for sample, size in zip(samples, sizes, strict=True)]
    counts = Counter(int(one) for sample in samples for one in sample.categories)
    entries = tuple(look.entry(one, f"({count})") for one, count in counts.most_common())
    return Drawn(tuple(tiles), look.width, entries)


def _boxed(sample: BoxSample, size: draw.Size, look: _Look) -> draw.Tile:
    image = _scaled(sample, size)
    scale = np.tile((image.width / sample.width, image.height / sample.height), 2)
    rows = zip((sample.boxes * scale).tolist(), sample.categories, sample.crowds, strict=True)
    boxes = [
        draw.NamedBox(
            tuple(box), look.legend.classes[one], look.legend.palette[one], crowd=bool(crowd)
        )
        for box, one, crowd in rows
    ]
    draw.draw_boxes(image, boxes)
    crowds = f" ({count} for crowds)" if (count := int(sample.crowds.sum())) else ""
    plural = "box" if len(boxes) == 1 else "boxes"
    note = f"{sample.width}x{sample.height}, {len(boxes) or 'no'} {plural}{crowds}"
    return draw.Tile(draw.drawable(sample.id), note, (image,))


def _classes(samples: Sequence[ClassSample], look: _Look) -> Drawn:
    tiles = []
    for sample in samples:
        image = _scaled(sample, draw.fit((sample.width, sample.height), look.cell))
        title, note = look.legend.classes[sample.label], draw.drawable(sample.id)
        tiles.append(draw.Tile(title, note, (draw.matted(image, look.cell),)))
    return Drawn(tuple(tiles), look.width)


def _scaled(sample: Sample | BoxSample | ClassSample, size: draw.Size) -> Image.Image:
    return Image.fromarray(decode_image(sample.image)).resize(size, Image.Resampling.LANCZOS)


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.005 else "<1%"
