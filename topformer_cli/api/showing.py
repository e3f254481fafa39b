"""Describe and draw data sets."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from topformer_cli import draw
from topformer_cli.api.places import Places
from topformer_cli.api.sets import open_set
from topformer_cli.data.decode import decode_image, decode_mask
from topformer_cli.rundir import atomic_write


@dataclass(frozen=True, slots=True)
class Samples:
    """Which images to draw: so many of a split, chosen by seed."""

    split: str
    count: int
    seed: int


def draw_samples(name: str, samples: Samples, places: Places, target: Path) -> None:
    """Write a PNG of images beside their labels.

    Raises:
        DataError: the set is not prepared or has no such split.
    """
    prepared = open_set(name, places)
    legend = draw.Legend(prepared.card.classes, prepared.card.palette)
    length = prepared.length(samples.split)
    rng = np.random.default_rng(samples.seed)
    rows = []
    for index in rng.permutation(length)[: samples.count]:
        sample = prepared.sample(samples.split, int(index))
        image = decode_image(sample.image)
        labels = decode_mask(sample.mask, prepared.card.id_map)
        rows.append((image, draw.colours(labels, legend), draw.overlay(image, labels, legend)))
    sheet = draw.contact_sheet(rows, ("image", "labels", "overlay"))
    atomic_write(target, draw.png(sheet))
