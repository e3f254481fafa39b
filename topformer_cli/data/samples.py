"""Training samples by task: how one image is decoded, augmented and put into a batch."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from topformer_cli.data.augment import Augmentation, augment
from topformer_cli.data.class_augment import ClassAugmentation, augment_image, mix_pairs, neighbour
from topformer_cli.data.decode import decode_image, decode_mask
from topformer_cli.data.draws import DRAWS
from topformer_cli.data.store import BoxSample, ClassSample, PreparedSet, Sample
from topformer_cli.errors import DataError

Tensors: TypeAlias = tuple[Tensor, ...]


class Batch(NamedTuple):
    """Images [B, H, W, 3], RGB uint8, and after them what they are labelled with.

    skipped are the ids of images that could not be read, in whose place others are here.
    """

    tensors: Tensors
    skipped: tuple[str, ...] = ()


Arrays: TypeAlias = tuple[NDArray[Any], ...]
"""One sample: the image [H, W, 3] and what it is labelled with."""


class UnreadableError(DataError):
    """An image of a set, or its label, whose bytes are no image; id says which."""

    def __init__(self, message: str, sample_id: str) -> None:
        super().__init__(message)
        self.id = sample_id

    def __reduce__(self) -> tuple[type["UnreadableError"], tuple[str, str]]:
        return type(self), (str(self), self.id)


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
        """Read one image and its label as they are.

        Raises:
            UnreadableError: their bytes are no image.
        """
        ...

    def augment(self, sample: Arrays, rng: np.random.Generator) -> Arrays:
        """Draw one training sample from a decoded one, which stays as it is."""
        ...

    def collate(self, samples: Sequence[Arrays]) -> Batch:
        """Put samples into one batch."""
        ...


class Decoded(Protocol):
    """Images that were decoded before (data/decoded.py)."""

    def pair(self, index: int) -> Arrays:
        """Return image [H, W, 3] and train ids [H, W].

        Raises:
            UnreadableError: they could not be decoded.
        """
        ...


@dataclass(frozen=True, slots=True)
class MaskSamples:
    """Crops of images [B, h, w, 3] and of their train ids [B, h, w], both uint8."""

    prepared: PreparedSet
    settings: Augmentation
    decoded: Decoded | None = None

    @property
    def decoded_bytes(self) -> int:
        """Three bytes a pixel and one for its train id."""
        return 4 * self.prepared.card.splits["train"].pixels

    def decode(self, index: int) -> Arrays:
        """Return image [H, W, 3] and train ids [H, W], from the decoded set if there is one."""
        return self.decoded.pair(index) if self.decoded else decode_pair(self.prepared, index)

    def augment(self, sample: Arrays, rng: np.random.Generator) -> Arrays:
        """Draw a crop."""
        image, mask = sample
        return augment(image, mask, self.settings, rng.random(DRAWS))

    def collate(self, samples: Sequence[Arrays]) -> Batch:
        """Stack crops, which are of one size."""
        return stacked(samples)


@dataclass(frozen=True, slots=True)
class ClassSamples:
    """Crops of images [B, h, w, 3] uint8 and their train ids [B] int64.

    Where neighbours are mixed, their train ids [B] int64 follow, and the share [B] float32 that the
    first one has of each mixed image.
    """

    prepared: PreparedSet
    settings: ClassAugmentation

    @property
    def decoded_bytes(self) -> int:
        """Three bytes a pixel."""
        return 3 * self.prepared.card.splits["train"].pixels

    def decode(self, index: int) -> Arrays:
        """Return image [H, W, 3] and train id []."""
        sample = self.prepared.classified("train", index)
        with naming(self.prepared, sample):
            (image,) = require_size(sample, decode_image(sample.image, fast=True))
        return image, np.array(sample.label, np.int64)

    def augment(self, sample: Arrays, rng: np.random.Generator) -> Arrays:
        """Draw a crop and, where neighbours are mixed, a share."""
        image, label = sample
        crop, alpha = augment_image(image, self.settings, rng), self.settings.mixup
        return (
            (crop, label, np.array(rng.beta(alpha, alpha), np.float32)) if alpha else (crop, label)
        )

    def collate(self, samples: Sequence[Arrays]) -> Batch:
        """Stack crops, which are of one size; of two neighbours that are mixed, the first's share.

        Which ones are neighbours, their places in the whole batch say: parts begin at even ones.
        """
        if not self.settings.mixup:
            return stacked(samples)
        crops, labels, drawn = zip(*samples, strict=True)
        shares = [drawn[number - number % 2] for number in range(len(samples))]
        others = [labels[neighbour(number, len(labels))] for number in range(len(labels))]
        mixed = mix_pairs(crops, [float(share) for share in shares])
        return stacked(list(zip(mixed, labels, others, shares, strict=True)))


def decode_pair(prepared: PreparedSet, index: int) -> Arrays:
    """Decode a training image [H, W, 3] and its train ids [H, W].

    Raises:
        UnreadableError: the bytes of one are no image.
    """
    sample = prepared.sample("train", index)
    with naming(prepared, sample):
        mask = decode_mask(sample.mask, prepared.card.id_map)
        return require_size(sample, decode_image(sample.image, fast=True), mask)


@contextlib.contextmanager
def naming(prepared: PreparedSet, sample: Sample | BoxSample | ClassSample) -> Iterator[None]:
    """Say of which training sample it is what cannot be decoded inside the block.

    Raises:
        UnreadableError: something could not.
    """
    try:
        yield
    # Pillow raises SyntaxError for a chunk of a PNG that it does not understand.
    except (DataError, OSError, SyntaxError, ValueError) as error:
        message = (
            f"{prepared.card.name} train {sample.id}: {error}; look with `topformer data check "
            f"{prepared.path}`, or go on without it: --skip-corrupt"
        )
        raise UnreadableError(message, sample.id) from error


def require_size(sample: Sample | BoxSample | ClassSample, *arrays: NDArray[Any]) -> Arrays:
    """Return decoded arrays [height, width, ...] that are as large as the set says.

    Raises:
        DataError: one is not.
    """
    for array in arrays:
        if array.shape[:2] != (sample.height, sample.width):
            message = (
                f"it decodes to {array.shape[1]}x{array.shape[0]}, not {sample.width}x"
                f"{sample.height} pixels"
            )
            raise DataError(message)
    return arrays


def stacked(samples: Sequence[Arrays]) -> Batch:
    """Stack samples whose arrays have the same shapes."""
    return Batch(tuple(torch.from_numpy(np.stack(arrays)) for arrays in zip(*samples, strict=True)))
