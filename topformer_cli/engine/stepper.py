"""Steps of a training on its batches, in the fastest way that the device and the recipe allow."""

from collections.abc import Callable, Sequence

import torch

from topformer_cli.data.samples import Batch, Tensors
from topformer_cli.engine.feed import Feed
from topformer_cli.engine.job import TrainJob
from topformer_cli.engine.memory import keep_freed_memory
from topformer_cli.engine.optim import set_learning_rate
from topformer_cli.engine.state import TrainState
from topformer_cli.engine.step import Step
from topformer_cli.engine.task import Task
from topformer_cli.sections.record import Recipe


class Stepper:
    """Takes the steps of a recipe on a state.

    graph false leaves out the recording of whole steps, inside which nothing can be measured.
    """

    def __init__(
        self, job: TrainJob, task: Task, feed: Feed, state: TrainState, *, graph: bool = True
    ) -> None:
        self._recipe, self._state, self._device = job.recipe, state, job.device
        world, autocast = job.options.world, autocast_type(job.recipe, job.device)
        self.step = Step(task, feed, state, world, autocast)
        self._call: Callable[[Sequence[Tensors]], None] = self.step
        if job.device.type == "cpu":
            keep_freed_memory()
        if job.device.type == "cuda" and job.recipe.compile == "auto" and task.fixed_shapes:
            # Imported here: nobody else needs the compiler.
            from topformer_cli.engine.cuda.faster import faster

            self._call = faster(self.step, graph=graph)

    def take(self, parts: Sequence[Batch]) -> None:
        """Take one step on the parts of a batch; on CUDA, it may not be done yet afterwards."""
        state, recipe = self._state, self._recipe
        set_learning_rate(state.optimizer, recipe.optimizer.lr, recipe.schedule, state.step)
        self._call(
            [
                tuple(values.to(self._device, non_blocking=True) for values in part.tensors)
                for part in parts
            ]
        )
        state.step += 1


def autocast_type(recipe: Recipe, device: torch.device) -> torch.dtype | None:
    """Return the autocast type; `auto` is bf16 on CUDA and fp32 elsewhere."""
    choice = recipe.amp
    if choice == "auto":
        choice = "bf16" if device.type == "cuda" else "fp32"
    return {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}[choice]
