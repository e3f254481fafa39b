"""Real steps of a training that leave nothing behind, to find out how it would go."""

import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch

from topformer_cli.data.samples import Batch
from topformer_cli.engine.job import TrainJob
from topformer_cli.engine.stepper import Stepper
from topformer_cli.engine.tasks import make_task
from topformer_cli.engine.train import start_state


class Rehearsal:
    """The first steps of a training, on its own data, with its own network and optimizer.

    graph as in `Stepper`.
    """

    def __init__(self, job: TrainJob, *, graph: bool = True) -> None:
        self.job = job
        self.task = make_task(job.recipe, job.prepared, job.spec)
        self.state = start_state(job, self.task)
        self.feed = self.task.feed(job.options)
        self._stepper = Stepper(job, self.task, self.feed, self.state, graph=graph)
        self.step = self._stepper.step

    def batches(self, steps: int) -> Iterator[Sequence[Batch]]:
        """Yield the parts of the batches of the first steps."""
        return self.feed.batches(0, steps)

    def take(self, parts: Sequence[Batch]) -> None:
        """Take one step, as the training does."""
        self._stepper.take(parts)

    def settle(self) -> None:
        """Wait until the device has done what it was told to."""
        if self.job.device.type == "cuda":
            torch.cuda.synchronize(self.job.device)
        elif self.job.device.type == "mps":
            torch.mps.synchronize()

    def seconds_per_image(self, images: int, most_s: float) -> float | None:
        """Return the median time of a validation image; None if there are too few to tell.

        The evaluation is a real one that is broken off after so many images or seconds.
        """
        marks: list[float] = []
        done_images: list[int] = []

        def watch(done: int, _total: int) -> None:
            marks.append(time.perf_counter())
            done_images.append(done)
            if done >= images or marks[-1] - marks[0] > most_s:
                raise _EnoughError

        with contextlib.suppress(_EnoughError):
            self.task.evaluate(self.state.measured, "val", "rehearsal", watch)
        if done_images[-1] == done_images[0]:
            return None
        return (marks[-1] - marks[0]) / (done_images[-1] - done_images[0])


class _EnoughError(Exception):
    """An evaluation has gone on for long enough."""


def with_batch(job: TrainJob, batch: int) -> TrainJob:
    """Return a job whose processes together take so many images a step, all at once."""
    recipe = job.recipe.model_copy(update={"batch": batch})
    return replace(job, recipe=recipe, options=replace(job.options, parts=1))
