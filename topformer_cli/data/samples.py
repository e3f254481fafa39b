"""Training samples by task: how one image is decoded, augmented and put into a batch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from topformer_cli.data.augment import Augmentation, augment
from topformer_cli.data.class_augment import ClassAugmentation, augment_image
from topformer_cli.data.decode import decode_image, decode_mask
from topformer_cli.data.store import PreparedSet

Batch = tuple[Tensor, ...]
"""Images [B, H, W, 3], RGB uint8, and after them what they are labelled with."""

Arrays: TypeAlias = tuple[NDArray[Any], ...]
"""One sample: the image [H, W, 3] and what it is labelled with."""


class Samples(Protocol):
    """The training images of a prepared set."""

    @property
    def prepared(self) -> PreparedSet:
        """Where they come from."""
        ...

    @property
    def decoded_bytes(self) -> int:
        """What all of them take in memory, decoded."""
        ...

    def decode(self, index: int) -> Arrays:
        """Read one image and its label as they are."""
        ...

    def augment(self, sample: Arrays, rng: np.random.Generator) -> Arrays:
        """Draw one training sample from a decoded one, which stays as it is."""
        ...

    def collate(self, samples: Sequence[Arrays]) -> Batch:
        """Put samples into one batch."""
        ...


@dataclass(frozen=True, slots=True)
class MaskSamples:
    """Crops of images [B, h, w, 3] and of their train ids [B, h, w], both uint8."""

    prepared: PreparedSet
    settings: Augmentation

    @property
    def decoded_bytes(self) -> int:
        """Three bytes a pixel and one for its train id."""
        return 4 * self.prepared.card.splits["train"].pixels

    def decode(self, index: int) -> Arrays:
        """Return image [H, W, 3] and train ids [H, W]."""
        sample = self.prepared.sample("train", index)
        mask = decode_mask(sample.mask, self.prepared.card.id_map)
        return decode_image(sample.image, fast=True), mask

    def augment(self, sample: Arrays, rng: np.random.Generator) -> Arrays:
        """Draw a crop."""
        image, mask = sample
        return augment(image, mask, self.settings, rng)

    def collate(self, samples: Sequence[Arrays]) -> Batch:
        """Stack crops, which are of one size."""
        return stacked(samples)


@dataclass(frozen=True, slots=True)
class ClassSamples:
    """Crops of images [B, h, w, 3] uint8 and their train ids [B] int64."""

    prepared: PreparedSet
    settings: ClassAugmentation

    @property
    def decoded_bytes(self) -> int:
        """Three bytes a pixel."""
        return 3 * self.prepared.card.splits["train"].pixels

    def decode(self, index: int) -> Arrays:
        """Return image [H, W, 3] and train id []."""
        sample = self.prepared.classified("train", index)
        return decode_image(sample.image, fast=True), np.array(sample.label, np.int64)

    def augment(self, sample: Arrays, rng: np.random.Generator) -> Arrays:
        """Draw a crop."""
        image, label = sample
        return augment_image(image, self.settings, rng), label

    def collate(self, samples: Sequence[Arrays]) -> Batch:
        """Stack crops, which are of one size."""
        return stacked(samples)


def stacked(samples: Sequence[Arrays]) -> Batch:
    """Stack samples whose arrays have the same shapes."""
    return tuple(torch.from_numpy(np.stack(arrays)) for arrays in zip(*samples, strict=True))
