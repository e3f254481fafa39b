"""Batches for training.

What sample p of the whole training is, and how it is augmented, depends on the seed and on p
alone: not on the number of workers, nor on where a training was resumed.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from topformer_cli.data.draws import draw_stand_ins, sample_generator, whole
from topformer_cli.data.loader_processes import loader_options, told_plainly
from topformer_cli.data.order import Indices, Order, Portion
from topformer_cli.data.samples import Arrays, Batch, Samples, UnreadableError
from topformer_cli.errors import DataError, RecipeError, TopformerError

CACHE_BYTES: Final = 1 << 30
"""A set that needs no more than this in memory, decoded, is decoded once."""

STAND_INS: Final = 8
"""Images that are tried in place of one that cannot be read."""


@dataclass(frozen=True, slots=True)
class TrainBatches:
    """An endless stream of training batches of a prepared set, from any step to any step.

    batch is the number of images of a step, of which share = (rank, processes) takes a part, the
    same images as one process would have at these places; it comes in parts. groups are the images
    to train on, by what no batch mixes; without them the whole split. With skip_corrupt another
    image stands in for one that cannot be read, and the batch says so; which one depends on seed
    and position.

    Raises:
        DataError: there are no training images; from batches, an image cannot be read.
        RecipeError: the batch does not divide among the processes.
    """

    samples: Samples
    batch: int
    seed: int
    workers: int = 0
    groups: Sequence[Indices] | None = None
    share: tuple[int, int] = (0, 1)
    skip_corrupt: bool = False
    parts: int = 1
    pin: bool = False

    def __post_init__(self) -> None:
        """Check that there are images, and that the batch divides."""
        prepared = self.samples.prepared
        if not prepared.length("train"):
            message = f"{prepared.card.name} has no training images"
            raise DataError(message)
        if self.batch % (self.share[1] * self.parts):
            message = (
                f"a batch of {self.batch} does not divide among {self.share[1]} processes in "
                f"{self.parts} parts each"
            )
            raise RecipeError(message)

    def ids(self, step: int) -> list[str]:
        """Return the ids of the images of a step, of all processes."""
        known = self.samples.prepared.ids("train")
        return [known[index] for index in self._order().indices(step)]

    def batches(self, start_step: int, stop_step: int) -> Iterator[Batch]:
        """Yield the batches of steps start_step .. stop_step - 1, part by part."""
        # The loader's own generator: it draws from it at the start, and the global one belongs to
        # the training, whose dropout must not depend on where it was resumed.
        loader: DataLoader[Batch | TopformerError] = DataLoader(
            self._steps(),
            batch_size=None,
            sampler=range(start_step * self.parts, stop_step * self.parts),
            collate_fn=_as_it_is,
            pin_memory=self.pin,
            generator=torch.Generator(),
            **loader_options(self.workers, _as_it_is),
        )
        for item in told_plainly(iter(loader), self.workers):
            if isinstance(item, TopformerError):
                raise item
            yield item

    def _order(self) -> Order:
        everything = (np.arange(self.samples.prepared.length("train")),)
        return Order(tuple(self.groups or everything), self.batch, self.seed)

    def _steps(self) -> "_Steps":
        portion = Portion(*self.share, self.parts)
        steps = _Steps(self.samples, self._order(), portion, skip_corrupt=self.skip_corrupt)
        steps.cached = self.samples.decoded_bytes * max(self.workers, 1) <= CACHE_BYTES
        return steps


class _Steps(Dataset[Batch | TopformerError]):
    """What one process takes of the batches of a training, its parts numbered through.

    An error is handed over, since the loader would make a traceback of several lines of its text.
    """

    def __init__(
        self, samples: Samples, order: Order, portion: Portion, *, skip_corrupt: bool
    ) -> None:
        self.samples = samples
        self.order = order
        self.portion = portion
        self.skip_corrupt = skip_corrupt
        self.cached = False
        self.decoded: dict[int, Arrays] = {}

    def __getitem__(self, number: int) -> Batch | TopformerError:
        step, part = divmod(number, self.portion.parts)
        try:
            return self._batch(step, self.portion.of(part, self.order.batch))
        except TopformerError as error:
            return error

    def _batch(self, step: int, places: range) -> Batch:
        indices = self.order.indices(step)
        skipped: list[str] = []
        samples = []
        for place in places:
            position = step * self.order.batch + place
            decoded = self._readable(self._candidates(indices[place], step, position), skipped)
            rng = sample_generator(self.order.seed, position)
            samples.append(self.samples.augment(decoded, rng))
        return self.samples.collate(samples)._replace(skipped=tuple(skipped))

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "decoded": {}}

    def _candidates(self, index: int, step: int, position: int) -> Iterator[int]:
        """Yield the image of a position and, if asked for, those that may stand in for it."""
        yield index
        if self.skip_corrupt:
            members = self.order.members(step)
            for uniform in draw_stand_ins(self.order.seed, position, STAND_INS):
                yield int(members[whole(uniform, len(members))])

    def _readable(self, candidates: Iterator[int], skipped: list[str]) -> Arrays:
        """Return the first image that can be decoded; add the ids of those before to skipped."""
        for index in candidates:
            try:
                return self._decoded(index)
            except UnreadableError as error:
                if not self.skip_corrupt:
                    raise
                skipped.append(error.id)
        prepared = self.samples.prepared
        message = (
            f"{prepared.card.name}: none of {STAND_INS} images that could stand in for an "
            f"unreadable one can be read, last {skipped[-1]}; look with `topformer data check "
            f"{prepared.path}`"
        )
        raise DataError(message)

    def _decoded(self, index: int) -> Arrays:
        if index in self.decoded:
            return self.decoded[index]
        sample = self.samples.decode(index)
        if self.cached:
            self.decoded[index] = sample
        return sample


def _as_it_is(batch: Any) -> Any:  # noqa: ANN401 - what DataLoader demands
    return batch
