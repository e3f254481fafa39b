"""A sheet of validation images as a network sees them: what they hold beside what it says."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from topformer_cli import draw
from topformer_cli.data.card import DatasetCard
from topformer_cli.engine.box_matches import LEAST_IOU, compare
from topformer_cli.engine.examples import SHOWN_SCORE, BoxExample, Example, MapExample

MAP_CELL: Final = (320, 240)
BOX_CELL: Final = (480, 360)
"""The most width and height of one picture of a sheet."""

MAP_WORDS: Final = "image, truth, prediction"
MISTAKES_WORDS: Final = f"{MAP_WORDS}, and in red what is wrong"
BOX_WORDS: Final = (
    "what is there (a crowd dashed and hatched), and boxes with a score of "
    f"{SHOWN_SCORE} or more; an object is found by its class and an IoU of {LEAST_IOU}"
)
"""What the pictures of an image are."""


@dataclass(frozen=True, slots=True)
class _Drawn:
    """An image's tile, what its pictures are, and how much of each train id is on them.

    None stands for what has no class.
    """

    tile: draw.Tile
    words: str
    classes: Counter[int | None]


def draw_examples(examples: Sequence[Example], card: DatasetCard, heading: str) -> Image.Image:
    """Draw images beside the labels or boxes they should have and those they got."""
    legend = draw.Legend(draw.drawable_names(card.classes), card.palette)
    return _sheet([_drawn(one, legend) for one in examples], card, heading, 3)


def draw_mistakes(examples: Sequence[MapExample], card: DatasetCard, heading: str) -> Image.Image:
    """Draw images beside the labels they should have, those they got, and where these are wrong."""
    legend = draw.Legend(draw.drawable_names(card.classes), card.palette)
    drawn = []
    for one in examples:
        usual, small = _drawn(one, legend), _scaled(one)
        wrong = Image.fromarray(draw.mistakes(small.image, small.truth, small.predicted))
        tile = replace(usual.tile, pictures=(*usual.tile.pictures, wrong))
        drawn.append(replace(usual, tile=tile, words=MISTAKES_WORDS))
    return _sheet(drawn, card, heading, 4)


def _sheet(drawn: Sequence[_Drawn], card: DatasetCard, heading: str, pictures: int) -> Image.Image:
    """Lay tiles of so many pictures out below each other."""
    legend = draw.Legend(draw.drawable_names(card.classes), card.palette)
    classes = sum((one.classes for one in drawn), Counter[int | None]())
    return draw.draw_sheet(
        draw.Sheet(
            heading=heading,
            note=drawn[0].words,
            tiles=[one.tile for one in drawn],
            width=draw.row_width(MAP_CELL[0], pictures, 1),
            legend=_entries(classes, legend),
            footer=f"Terms: {card.terms}" if card.terms else "",
        )
    )


def _drawn(example: Example, legend: draw.Legend) -> _Drawn:
    title = draw.drawable(example.id)
    match example:
        case MapExample():
            small = _scaled(example)
            tile = draw.Tile(title, map_agreement(example), map_pictures(small, legend))
            classes = _counted(small.truth, small.predicted)
            if draw.IGNORE in classes:
                classes[None] = classes.pop(draw.IGNORE)
            return _Drawn(tile, MAP_WORDS, classes)
        case BoxExample():
            tile = draw.Tile(title, box_agreement(example), box_pictures(example, legend))
            classes = _counted(example.truth.labels, example.predicted.labels)
            return _Drawn(tile, BOX_WORDS, classes)


def _counted(*train_ids: NDArray[np.integer]) -> Counter[int | None]:
    together = np.concatenate([one.ravel() for one in train_ids])
    values, counts = np.unique(together, return_counts=True)
    return Counter(dict(zip(values.tolist(), counts.tolist(), strict=True)))


def _entries(classes: Counter[int | None], legend: draw.Legend) -> list[draw.Entry]:
    """Return the classes of a sheet, those of which there is most first."""
    present = [one for one, _ in classes.most_common() if one is not None]
    entries = [draw.Entry(legend.classes[one], legend.palette[one]) for one in present]
    return [*entries, draw.Entry("ignored", None)] if None in classes else entries


def _scaled(example: MapExample) -> MapExample:
    """Return an example that fits a cell; labels take the nearest pixel's."""
    height, width = example.truth.shape
    size = draw.fit((width, height), MAP_CELL)
    return MapExample(
        example.id,
        _fitted(example.image, size, Image.Resampling.BILINEAR),
        _fitted(example.truth, size, Image.Resampling.NEAREST),
        _fitted(example.predicted, size, Image.Resampling.NEAREST),
    )


def _fitted(pixels: draw.Picture, size: draw.Size, how: Image.Resampling) -> draw.Picture:
    # reducing_gap: far faster, and nobody sees it on a thumbnail.
    return np.asarray(Image.fromarray(pixels).resize(size, how, reducing_gap=2.0))


def map_pictures(small: MapExample, legend: draw.Legend) -> tuple[Image.Image, ...]:
    """Return the image, and label maps over it; what has no class is hatched in the truth."""
    predicted = draw.overlay(small.image, small.predicted, legend)
    return (
        Image.fromarray(small.image),
        truth_over(small.image, small.truth, legend),
        Image.fromarray(draw.with_borders(predicted, small.predicted)),
    )


def truth_over(image: draw.Picture, truth: draw.Picture, legend: draw.Legend) -> Image.Image:
    """Return an image with its labels over it; what has no class is hatched."""
    over = draw.overlay(image, truth, legend)
    without = (truth == draw.IGNORE)[..., None]
    over = np.where(without, draw.hatched(truth, legend), over)
    return Image.fromarray(draw.with_borders(over, truth))


def map_agreement(example: MapExample) -> str:
    """Say how much of what is labelled is labelled right."""
    labelled = example.truth != draw.IGNORE
    if not labelled.any():
        return "nothing is labelled"
    share = float((example.truth == example.predicted)[labelled].mean())
    return f"{share:.0%} of the labelled pixels are right"


def box_pictures(example: BoxExample, legend: draw.Legend) -> tuple[Image.Image, ...]:
    """Return the image with what is there, and with what was found."""
    height, width = example.image.shape[:2]
    size = draw.fit((width, height), BOX_CELL)
    small = _fitted(example.image, size, Image.Resampling.BILINEAR)
    scale = np.array([size[0] / width, size[1] / height] * 2)
    truth, predicted = example.truth, example.predicted
    objects = [
        replace(draw.named_box(box, label, legend), crowd=bool(crowd))
        for box, label, crowd in zip(truth.boxes * scale, truth.labels, truth.crowds, strict=True)
    ]
    found = [
        replace(draw.named_box(box, label, legend), score=float(score))
        for box, score, label in zip(
            predicted.boxes * scale, predicted.scores, predicted.labels, strict=True
        )
    ]
    return with_boxes(small, objects), with_boxes(small, found)


def with_boxes(pixels: draw.Picture, boxes: Sequence[draw.NamedBox]) -> Image.Image:
    """Return an image with boxes on it."""
    picture = Image.fromarray(pixels)
    draw.draw_boxes(picture, boxes)
    return picture


def box_agreement(example: BoxExample) -> str:
    """Say how many objects were found, and how many boxes are of none."""
    objects, found, wrong = compare(example.predicted, example.truth)
    right = f"{found} of {objects} objects found" if objects else "no object is there"
    boxes = "1 box" if wrong == 1 else f"{wrong} boxes"
    return f"{right}, {boxes} wrong" if wrong else right
