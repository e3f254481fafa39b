"""Batches for training.

What sample p of the whole training is, and how it is augmented, depends on the seed and on p
alone: not on the number of workers, nor on where a training was resumed.
"""

import functools
import multiprocessing
from collections.abc import Iterator
from typing import Any, Final

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from topformer_cli.data.augment import Augmentation, augment
from topformer_cli.data.decode import Pixels, decode_image, decode_mask
from topformer_cli.data.store import PreparedSet
from topformer_cli.errors import DataError

Batch = tuple[Tensor, Tensor]
"""Images [B, H, W, 3] RGB and train ids [B, H, W], both uint8."""

CACHE_BYTES: Final = 1 << 30
"""A set that needs no more than this in memory, decoded, is decoded once."""

_ORDER, _SAMPLE = 0, 1


class TrainBatches:
    """An endless stream of training batches of a prepared set, from any step to any step.

    Each epoch is its own permutation; a batch may end one epoch and begin the next, so that a set
    smaller than a batch works too.
    """

    def __init__(
        self, prepared: PreparedSet, settings: Augmentation, batch: int, seed: int, workers: int
    ) -> None:
        if not prepared.length("train"):
            message = f"{prepared.card.name} has no training images"
            raise DataError(message)
        self._steps = _Steps(prepared, settings, batch, seed)
        self._steps.cached = _decoded_bytes(prepared) * max(workers, 1) <= CACHE_BYTES
        self._workers = workers

    def batches(self, start_step: int, stop_step: int) -> Iterator[Batch]:
        """Yield the batches of steps start_step .. stop_step - 1."""
        # The loader's own generator: it draws from it at the start, and the global one belongs to
        # the training, whose dropout must not depend on where it was resumed.
        options: dict[str, Any] = {"generator": torch.Generator()}
        if self._workers:
            # Not fork: the process has threads by now, of OpenMP and perhaps of CUDA.
            context = multiprocessing.get_context("forkserver")
            context.set_forkserver_preload([__name__])
            options |= {"multiprocessing_context": context, "worker_init_fn": _one_thread}
        loader: DataLoader[Batch] = DataLoader(
            self._steps,
            batch_size=None,
            sampler=range(start_step, stop_step),
            num_workers=self._workers,
            collate_fn=_as_it_is,
            **options,
        )
        yield from loader


class _Steps(Dataset[Batch]):
    """Batch number `step` of a training."""

    def __init__(
        self, prepared: PreparedSet, settings: Augmentation, batch: int, seed: int
    ) -> None:
        self.prepared = prepared
        self.settings = settings
        self.batch = batch
        self.seed = seed
        self.length = prepared.length("train")
        self.cached = False
        self.decoded: dict[int, tuple[Pixels, Pixels]] = {}

    def __getitem__(self, step: int) -> Batch:
        first = step * self.batch
        samples = [self._sample(position) for position in range(first, first + self.batch)]
        images, masks = zip(*samples, strict=True)
        return torch.from_numpy(np.stack(images)), torch.from_numpy(np.stack(masks))

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "decoded": {}}

    def _sample(self, position: int) -> tuple[Pixels, Pixels]:
        epoch, place = divmod(position, self.length)
        image, mask = self._pixels(int(_order(self.seed, epoch, self.length)[place]))
        rng = np.random.default_rng((self.seed, _SAMPLE, position))
        return augment(image, mask, self.settings, rng)

    def _pixels(self, index: int) -> tuple[Pixels, Pixels]:
        if index in self.decoded:
            return self.decoded[index]
        sample = self.prepared.sample("train", index)
        pixels = (
            decode_image(sample.image, fast=True),
            decode_mask(sample.mask, self.prepared.card.id_map),
        )
        if self.cached:
            self.decoded[index] = pixels
        return pixels


@functools.lru_cache(maxsize=2)
def _order(seed: int, epoch: int, length: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.random.default_rng((seed, _ORDER, epoch)).permutation(length)


def _decoded_bytes(prepared: PreparedSet) -> int:
    return 4 * prepared.card.splits["train"].pixels


def _as_it_is(batch: Any) -> Any:  # noqa: ANN401 - what DataLoader demands
    return batch


def _one_thread(_worker: int) -> None:
    cv2.setNumThreads(1)
