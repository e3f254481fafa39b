"""Where the batches of a training come from, and what is left to do with them on the device."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from topformer_cli.data.loaders import TrainBatches
from topformer_cli.data.order import Indices
from topformer_cli.data.samples import Batch, Samples, Tensors
from topformer_cli.engine.processes.world import ALONE, World
from topformer_cli.models.spec import ModelSpec
from topformer_cli.sections.record import Recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedOptions:
    """How batches are made on this machine; none of it changes what is in them.

    parts is the number of portions that a process's share of a batch comes in, decoded the folder
    in which decoded sets are kept; progress is told of images decoded and images in all.
    """

    device: torch.device
    workers: int = 0
    world: World = ALONE
    parts: int = 1
    skip_corrupt: bool = False
    decoded: Path | None = None
    progress: Callable[[int, int], None] = lambda _done, _total: None


class Feed(Protocol):
    """The batches of one process."""

    def batches(self, start_step: int, stop_step: int) -> Iterator[Sequence[Batch]]:
        """Yield the parts of the batches of steps start_step .. stop_step - 1.

        A batch depends on seed and step alone: not on workers, nor on where a run was resumed.
        """
        ...

    def ids(self, step: int) -> list[str]:
        """Return the ids of the images of a step's whole batch."""
        ...

    def on_device(self, tensors: Tensors) -> Tensors:
        """Turn a part, brought to the device, into normalised images [B, 3, H, W] and targets."""
        ...


class LoaderFeed:
    """Batches of a loader, which `finish` turns into what the network takes, on the device."""

    def __init__(
        self, batches: TrainBatches, parts: int, finish: Callable[[Tensors], Tensors]
    ) -> None:
        self._batches, self._parts, self._finish = batches, parts, finish

    def batches(self, start_step: int, stop_step: int) -> Iterator[Sequence[Batch]]:
        """Yield the parts of steps start_step .. stop_step - 1."""
        parts = self._batches.batches(start_step, stop_step)
        while taken := tuple(itertools.islice(parts, self._parts)):
            yield taken

    def ids(self, step: int) -> list[str]:
        """Return the ids of the images of a step's whole batch."""
        return self._batches.ids(step)

    def on_device(self, tensors: Tensors) -> Tensors:
        """Finish a part."""
        return self._finish(tensors)


class Normalise:
    """Turns images [B, H, W, 3] into what a network takes: [B, 3, H, W], channels last."""

    def __init__(self, spec: ModelSpec, device: torch.device) -> None:
        self._mean, self._std = (
            torch.tensor(values, device=device) for values in (spec.mean, spec.std)
        )

    def __call__(self, images: Tensor) -> Tensor:
        """Subtract the mean and divide by the deviation."""
        # By rows: broadcasting over the three channels alone takes the CPU several times as long.
        width = images.shape[2]
        rows = images.flatten(2).to(self._mean.dtype)
        rows.sub_(self._mean.repeat(width)).div_(self._std.repeat(width))
        return rows.view(images.shape).permute(0, 3, 1, 2)


def host_feed(
    samples: Samples,
    recipe: Recipe,
    spec: ModelSpec,
    options: FeedOptions,
    groups: Sequence[Indices] | None = None,
) -> LoaderFeed:
    """Feed images that are ready but for their normalisation."""
    batches = loader_of(samples, recipe, options, groups)
    normalise = Normalise(spec, options.device)
    return LoaderFeed(batches, options.parts, lambda part: (normalise(part[0]), *part[1:]))


def loader_of(
    samples: Samples,
    recipe: Recipe,
    options: FeedOptions,
    groups: Sequence[Indices] | None = None,
) -> TrainBatches:
    """Return this process's part of a training's batches."""
    return TrainBatches(
        samples,
        recipe.batch,
        recipe.seed,
        options.workers,
        groups,
        share=(options.world.rank, options.world.size),
        skip_corrupt=options.skip_corrupt,
        parts=options.parts,
        pin=options.device.type == "cuda",
    )
