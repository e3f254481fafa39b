"""Feeds of segmentation whose pixels get their last touch, or all of it, on the device.

crops       loader processes decode and crop; colours are changed on the device
pictures    decoded images lie on the device; a batch is the indices of images and the random
            numbers of its samples, 300 bytes each
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from topformer_cli.data.augment import PAD_COLOUR, Augmentation, cut, padded
from topformer_cli.data.draws import COLOURS, DRAWS
from topformer_cli.data.samples import Arrays, Batch, MaskSamples, Tensors, UnreadableError, stacked
from topformer_cli.data.store import PreparedSet
from topformer_cli.engine.feed import Normalise
from topformer_cli.engine.on_device.augment import augment_batch
from topformer_cli.engine.on_device.colours import change_colours
from topformer_cli.engine.on_device.pictures import Pictures
from topformer_cli.models.spec import ModelSpec


@dataclass(frozen=True, slots=True)
class CropSamples(MaskSamples):
    """Crops as they are cut, with the numbers by which their colours are to change.

    A batch is images [B, h, w, 3] uint8, train ids [B, h, w] uint8, random numbers [B, 9] float64,
    and the (height, width) [B, 2] of what is not padding.
    """

    def augment(self, sample: Arrays, rng: np.random.Generator) -> Arrays:
        """Draw a crop."""
        image, mask = sample
        draws = rng.random(DRAWS)
        pixels, labels = cut(image, mask, self.settings, draws)
        size = np.array(labels.shape, np.int64)
        return *padded(pixels, labels, self.settings.crop), draws[COLOURS], size


class FinishCrops:
    """Changes the colours of crops and normalises them."""

    def __init__(self, spec: ModelSpec, device: torch.device) -> None:
        self._normalise = Normalise(spec, device)

    def __call__(self, tensors: Tensors) -> Tensors:
        """Turn what `CropSamples` gives into images [B, 3, H, W] and train ids [B, H, W]."""
        images, labels, draws, sizes = tensors
        red, green, blue = change_colours(_float_channels(images), draws)
        rows, columns = (torch.arange(side, device=images.device) for side in images.shape[1:3])
        inside = (rows[:, None] < sizes[:, 0, None, None]) & (columns < sizes[:, 1, None, None])
        levels = [
            torch.where(inside, level, pad)
            for level, pad in zip((red, green, blue), PAD_COLOUR, strict=True)
        ]
        return self._normalise(torch.stack(levels, -1)), labels


def _float_channels(images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    red, green, blue = images.float().unbind(-1)
    return red, green, blue


@dataclass(frozen=True, slots=True)
class DrawnSamples:
    """Samples of pictures on the device: a batch is indices [B] and random numbers [B, DRAWS].

    unreadable are the images that could not be decoded, by index.
    """

    prepared: PreparedSet
    unreadable: dict[int, UnreadableError]

    @property
    def decoded_bytes(self) -> int:
        """Nothing is decoded here."""
        return 0

    def decode(self, index: int) -> Arrays:
        """Return the index of an image that can be read."""
        if index in self.unreadable:
            raise self.unreadable[index]
        return (np.array(index, np.int64),)

    def augment(self, sample: Arrays, rng: np.random.Generator) -> Arrays:
        """Add the sample's random numbers."""
        return (*sample, rng.random(DRAWS))

    def collate(self, samples: Sequence[Arrays]) -> Batch:
        """Stack them."""
        return stacked(samples)


class FinishPictures:
    """Augments pictures that lie on the device."""

    def __init__(self, pictures: Pictures, settings: Augmentation, spec: ModelSpec) -> None:
        self._pictures, self._settings = pictures, settings
        self._normalise = Normalise(spec, pictures.pixels.device)

    def __call__(self, tensors: Tensors) -> Tensors:
        """Turn what `DrawnSamples` gives into images [B, 3, H, W] and train ids [B, H, W]."""
        indices, draws = tensors
        images, labels = augment_batch(self._pictures.chosen(indices), draws, self._settings)
        return self._normalise(images), labels
