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
from torch.utils.data import DataLoader, Dataset

from topformer_cli.data.samples import Arrays, Batch, Samples
from topformer_cli.errors import DataError

CACHE_BYTES: Final = 1 << 30
"""A set that needs no more than this in memory, decoded, is decoded once."""

_ORDER, _SAMPLE = 0, 1


class TrainBatches:
    """An endless stream of training batches of a prepared set, from any step to any step.

    Each epoch is its own permutation; a batch may end one epoch and begin the next, so that a set
    smaller than a batch works too.
    """

    def __init__(self, samples: Samples, batch: int, seed: int, workers: int) -> None:
        prepared = samples.prepared
        if not prepared.length("train"):
            message = f"{prepared.card.name} has no training images"
            raise DataError(message)
        self._steps = _Steps(samples, batch, seed)
        self._steps.cached = samples.decoded_bytes * max(workers, 1) <= CACHE_BYTES
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

    def __init__(self, samples: Samples, batch: int, seed: int) -> None:
        self.samples = samples
        self.batch = batch
        self.seed = seed
        self.length = samples.prepared.length("train")
        self.cached = False
        self.decoded: dict[int, Arrays] = {}

    def __getitem__(self, step: int) -> Batch:
        first = step * self.batch
        positions = range(first, first + self.batch)
        return self.samples.collate([self._sample(position) for position in positions])

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "decoded": {}}

    def _sample(self, position: int) -> Arrays:
        epoch, place = divmod(position, self.length)
        sample = self._decoded(int(_order(self.seed, epoch, self.length)[place]))
        rng = np.random.default_rng((self.seed, _SAMPLE, position))
        return self.samples.augment(sample, rng)

    def _decoded(self, index: int) -> Arrays:
        if index in self.decoded:
            return self.decoded[index]
        sample = self.samples.decode(index)
        if self.cached:
            self.decoded[index] = sample
        return sample


@functools.lru_cache(maxsize=2)
def _order(seed: int, epoch: int, length: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.random.default_rng((seed, _ORDER, epoch)).permutation(length)


def _as_it_is(batch: Any) -> Any:  # noqa: ANN401 - what DataLoader demands
    return batch


def _one_thread(_worker: int) -> None:
    cv2.setNumThreads(1)
