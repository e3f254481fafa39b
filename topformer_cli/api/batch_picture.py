"""A sheet of a training's first images, augmented and labelled as the network gets them."""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import torch
from PIL import Image

from topformer_cli import draw
from topformer_cli.api.examples import truth_over, with_boxes
from topformer_cli.data.samples import Tensors
from topformer_cli.engine.feed import FeedOptions
from topformer_cli.engine.job import TrainJob
from topformer_cli.engine.tasks import make_task
from topformer_cli.errors import DataError
from topformer_cli.models.spec import Task
from topformer_cli.rundir import atomic_write
from topformer_cli.sections.record import Recipe
from topformer_cli.sections.segmentation import SegmentationRecipe

SHOWN: Final = 12
"""The most images of a sheet."""

CELL: Final = (280, 280)
"""The most width and height of one picture."""

COLUMNS: Final[dict[Task, int]] = {"segmentation": 2, "detection": 3, "classification": 4}


def write_first_batch(job: TrainJob, path: Path) -> None:
    """Draw the first images of a training into a PNG; nothing where one cannot be read."""
    # The training itself tells of it.
    with contextlib.suppress(DataError):
        atomic_write(path, draw.png(draw_first_batch(job)))


def draw_first_batch(job: TrainJob) -> Image.Image:
    """Draw the first images of a training.

    They are what seed and step make of them, on any device.

    Raises:
        DataError: an image cannot be read, and is not to be skipped.
    """
    ids, tensors = first_images(job)
    card = job.prepared.card
    legend = draw.Legend(draw.drawable_names(card.classes), card.palette)
    pictures = _DRAWN[job.recipe.task](tensors, legend)
    tiles = [
        draw.Tile(draw.drawable(name), note, shown)
        for name, (note, shown) in zip(ids, pictures, strict=True)
    ]
    row = len(tiles[0].pictures), min(COLUMNS[job.recipe.task], len(tiles))
    sheet = draw.Sheet(
        heading=f"{card.title}: training images as the network sees them",
        note=f"the first of step 1 at seed {job.recipe.seed}, augmented",
        tiles=tiles,
        width=draw.row_width(max(one.size[0] for one in tiles) // row[0], *row),
        legend=(),
        footer=f"Terms: {card.terms}" if card.terms else "",
    )
    return draw.draw_sheet(sheet)


def first_images(job: TrainJob) -> tuple[Sequence[str], Tensors]:
    """Return ids and tensors (of the samples of the task) of a training's first images, uint8."""
    recipe = _small(job.recipe)
    options = FeedOptions(device=torch.device("cpu"), skip_corrupt=job.options.skip_corrupt)
    feed = make_task(recipe, job.prepared, job.spec).feed(options)
    ((batch,),) = feed.batches(0, 1)
    return feed.ids(0), batch.tensors


def _small(recipe: Recipe) -> Recipe:
    few = {"batch": min(recipe.batch, SHOWN)}
    where = {"pixels": "files"} if isinstance(recipe, SegmentationRecipe) else {}
    return recipe.model_copy(update=few | where)


_Shown = tuple[str, tuple[Image.Image, ...]]
"""A few words on an image, and its pictures."""


def _masks(tensors: Tensors, legend: draw.Legend) -> Sequence[_Shown]:
    """Draw each image beside its labels."""
    images, labels = (one.numpy() for one in tensors)
    found = []
    for image, truth in zip(images, labels, strict=True):
        labelled = np.bincount(truth[truth != draw.IGNORE], minlength=len(legend.classes))
        largest = draw.largest_first(labelled / max(labelled.sum(), 1), legend)
        note = ", ".join(f"{name} {share:.0%}" for name, share in list(largest)[:3])
        over = truth_over(image, truth, legend)
        found.append((note, (_fitted(Image.fromarray(image)), _fitted(over))))
    return found


def _boxes(tensors: Tensors, legend: draw.Legend) -> Sequence[_Shown]:
    """Draw each image, without what it is padded with, with its boxes."""
    images, boxes, categories, owners, sizes = (one.numpy() for one in tensors)
    found = []
    for number, (image, (height, width)) in enumerate(zip(images, sizes.tolist(), strict=True)):
        own = owners == number
        picture = _fitted(Image.fromarray(image[:height, :width]))
        scale = np.tile((picture.width / width, picture.height / height), 2)
        named = [
            draw.named_box(box, int(category), legend)
            for box, category in zip(boxes[own] * scale, categories[own], strict=True)
        ]
        note = f"{width}x{height}, {len(named)} {'box' if len(named) == 1 else 'boxes'}"
        found.append((note, (with_boxes(np.asarray(picture), named),)))
    return found


def _classes(tensors: Tensors, legend: draw.Legend) -> Sequence[_Shown]:
    """Draw each image, under its class, or under two where it is mixed of two."""
    images, labels, *mixture = (one.numpy() for one in tensors)
    names = legend.classes
    notes = [names[label] for label in labels]
    if mixture:
        others, shares = mixture
        notes = [
            f"{share:.0%} {note}, {1 - share:.0%} {names[other]}"
            for note, other, share in zip(notes, others, shares, strict=True)
        ]
    return [
        (note, (_fitted(Image.fromarray(image)),))
        for note, image in zip(notes, images, strict=True)
    ]


_DRAWN: Final[Mapping[Task, Callable[[Tensors, draw.Legend], Sequence[_Shown]]]] = {
    "segmentation": _masks,
    "detection": _boxes,
    "classification": _classes,
}


def _fitted(picture: Image.Image) -> Image.Image:
    """Return a picture that fits a cell; small ones are shown larger."""
    return picture.resize(draw.fit(picture.size, CELL), Image.Resampling.BILINEAR)
