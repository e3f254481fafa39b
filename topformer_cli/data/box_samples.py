"""Training samples with boxes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from topformer_cli.data.box_augment import BoxAugmentation, augment_boxes, padded_batch
from topformer_cli.data.box_table import (
    SMALLEST_BOX,
    SMALLEST_IMAGE,
    corners_within,
    read_box_table,
)
from topformer_cli.data.decode import decode_image
from topformer_cli.data.samples import Arrays, Batch, naming, require_size
from topformer_cli.data.store import PreparedSet
from topformer_cli.errors import DataError


@dataclass(frozen=True, slots=True)
class BoxSamples:
    """Whole images of one orientation a batch, padded to one size, with their boxes.

    A batch is images [B, H, W, 3] uint8; boxes [N, 4], left, top, right, bottom in pixels of the
    padded image; categories [N], train ids; owners [N], the place in the batch of each box's image;
    sizes [B, 2], (height, width) of each image before padding.
    """

    prepared: PreparedSet
    settings: BoxAugmentation
    groups: tuple[NDArray[np.int64], ...]

    @property
    def decoded_bytes(self) -> int:
        """Three bytes a pixel."""
        return 3 * self.prepared.card.splits["train"].pixels

    def decode(self, index: int) -> Arrays:
        """Return image [H, W, 3], corners [n, 4] and train ids [n] of what is trained on."""
        sample = self.prepared.boxes("train", index)
        corners = corners_within(sample.boxes, (sample.width, sample.height))
        sides = corners[:, 2:] - corners[:, :2]
        kept = ~sample.crowds & (sides >= SMALLEST_BOX).all(axis=1)
        with naming(self.prepared, sample):
            (image,) = require_size(sample, decode_image(sample.image, fast=True))
        return image, corners[kept].astype(np.float32), sample.categories[kept]

    def augment(self, sample: Arrays, rng: np.random.Generator) -> Arrays:
        """Resize and flip."""
        image, boxes, categories = sample
        return (*augment_boxes(image, boxes, self.settings, rng), categories)

    def collate(self, samples: Sequence[Arrays]) -> Batch:
        """Pad the images to one size and put the boxes one after another."""
        images, boxes, categories = zip(*samples, strict=True)
        owners = np.repeat(np.arange(len(samples)), [len(one) for one in boxes])
        sizes = np.array([image.shape[:2] for image in images], np.int64)
        arrays = (
            padded_batch(images), np.concatenate(boxes), np.concatenate(categories), owners, sizes,
        )  # fmt: skip
        return Batch(tuple(torch.from_numpy(array) for array in arrays))


def box_samples(prepared: PreparedSet, settings: BoxAugmentation) -> BoxSamples:
    """Choose the images to train on, upright ones and wide ones apart.

    Images without a usable box and tiny ones are left out (mmdetection's filter_empty_gt).

    Raises:
        DataError: none is left, or the set holds no boxes.
    """
    table = read_box_table(prepared, "train")
    wide, trainable = table.widths > table.heights, table.trainable()
    groups = tuple(
        group for kind in (~wide, wide) if len(group := np.flatnonzero(kind & trainable))
    )
    if not groups:
        message = (
            f"{prepared.card.name} has no training image of {SMALLEST_IMAGE} pixels or more with a "
            "box of a pixel or more that is no crowd; look with `topformer data info`"
        )
        raise DataError(message)
    return BoxSamples(prepared, settings, groups)
