"""Batches for training.

What sample p of the whole training is, and how it is augmented, depends on the seed and on p
alone: not on the number of workers, nor on where a training was resumed.
"""

import multiprocessing
from collections.abc import Iterator, Sequence
from typing import Any, Final

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from topformer_cli.data.order import Indices, Order
from topformer_cli.data.samples import Arrays, Batch, Samples
from topformer_cli.errors import DataError

CACHE_BYTES: Final = 1 << 30
"""A set that needs no more than this in memory, decoded, is decoded once."""

_SAMPLE: Final = 1


class TrainBatches:
    """An endless stream of training batches of a prepared set, from any step to any step.

    groups are the images to train on, by what no batch mixes; without them the whole split.
    """

    def __init__(
        self,
        samples: Samples,
        batch: int,
        seed: int,
        workers: int,
        groups: Sequence[Indices] | None = None,
    ) -> None:
        prepared = samples.prepared
        if not prepared.length("train"):
            message = f"{prepared.card.name} has no training images"
            raise DataError(message)
        if groups is None:
            groups = (np.arange(prepared.length("train")),)
        self._steps = _Steps(samples, Order(tuple(groups), batch, seed))
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

    def __init__(self, samples: Samples, order: Order) -> None:
        self.samples = samples
        self.order = order
        self.cached = False
        self.decoded: dict[int, Arrays] = {}

    def __getitem__(self, step: int) -> Batch:
        first = step * self.order.batch
        indices = self.order.indices(step)
        return self.samples.collate(
            [self._sample(index, position) for position, index in enumerate(indices, first)]
        )

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "decoded": {}}

    def _sample(self, index: int, position: int) -> Arrays:
        rng = np.random.default_rng((self.order.seed, _SAMPLE, position))
        return self.samples.augment(self._decoded(index), rng)

    def _decoded(self, index: int) -> Arrays:
        if index in self.decoded:
            return self.decoded[index]
        sample = self.samples.decode(index)
        if self.cached:
            self.decoded[index] = sample
        return sample


def _as_it_is(batch: Any) -> Any:  # noqa: ANN401 - what DataLoader demands
    return batch


def _one_thread(_worker: int) -> None:
    cv2.setNumThreads(1)
