"""One optimisation step: everything between a batch and new weights.

Nothing in it waits for the device, so that on CUDA the host runs ahead, or the whole step is one
graph. A step whose gradients are not finite changes neither weights nor batch statistics.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final, TypeAlias

import torch
from torch import Tensor, nn

from topformer_cli.data.samples import Tensors
from topformer_cli.engine.feed import Feed
from topformer_cli.engine.processes.agreement import Agreement
from topformer_cli.engine.processes.world import World
from topformer_cli.engine.state import TrainState
from topformer_cli.engine.task import PartLoss, Task

Span: TypeAlias = Callable[[str], AbstractContextManager[Any]]
"""Marks a part of a step by its name for whoever measures it."""

_NOTHING: Final = nullcontext()


def unmeasured(_name: str) -> AbstractContextManager[None]:
    """Measure nothing."""
    return _NOTHING


class Step:
    """Takes steps on the state of a training."""

    def __init__(
        self, task: Task, feed: Feed, state: TrainState, world: World, autocast: torch.dtype | None
    ) -> None:
        self.task, self.feed, self.state, self.world = task, feed, state, world
        self.autocast = autocast
        self.network: nn.Module = state.network
        """What is called; a compiled form of the state's network may stand here."""
        self.one = torch.ones((), device=state.device_step.device)
        self.span: Span = unmeasured
        self.parameters = list(state.network.parameters())
        self.agreement = Agreement(world, state.device_step.device)
        apart = world.size > 1 and task.statistics == "apart"
        self.averaged = [
            one for one in state.network.buffers() if apart and one.is_floating_point()
        ]
        self.statistics = [_Statistics(same) for same in _by_type(state.network.buffers())]

    def __call__(self, parts: Sequence[Tensors]) -> None:
        """Take one step on the parts of this process's share of a batch, on the device.

        Parts are what fits on the device at once; their gradients add up, and are divided by the
        sum of the shares at the end.
        """
        state = self.state
        scale = state.scaler.scale(self.one).detach().clone()
        for statistics in self.statistics:
            statistics.remember()
        state.optimizer.zero_grad(set_to_none=True)
        losses, shares = zip(*(self._backward(part) for part in parts), strict=True)
        loss, share = torch.stack(losses).sum(), torch.stack(shares).sum()
        message = (*self.averaged, *self.agreement.message)
        self.world.add_up([*self._gradients(), loss, share, *message])
        # Where each process has statistics of its own, what is kept is their mean.
        for statistic in self.averaged:
            statistic /= self.world.size
        with self.span("optimizer"):
            state.scaler.unscale_(state.optimizer)
            share = torch.where(share > 0, share, self.one)
            torch._foreach_div_(self._gradients(), share)
            bad = ~_all_finite(self._gradients())
            state.scaler.step(state.optimizer)
        self._update_scale()
        for statistics in self.statistics:
            statistics.undo(bad)
        state.tally.add(loss / share, bad, state.device_step, scale)
        if state.average is not None:
            state.average.update(state.device_step)
        state.device_step += 1

    def _update_scale(self) -> None:
        """Let the loss scale of half precision fall or grow, no further down than 1: none."""
        scaler = self.state.scaler
        if self.autocast == torch.float16:
            scaler.update()
            scaler.update(scaler.scale(self.one).clamp(min=1.0))
        else:
            scaler.update(1.0)

    def _backward(self, part: Tensors) -> PartLoss:
        """Add the gradients of one part."""
        images, *targets = self.feed.on_device(part)
        device = images.device.type
        autocast = torch.autocast(device, self.autocast, enabled=self.autocast is not None)
        with self.span("loss"), autocast:
            loss, share = self.task.loss(self.network, images, targets)
        with self.span("backward"):
            self.state.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        return PartLoss(loss.detach(), share)

    def _gradients(self) -> list[Tensor]:
        return [one.grad for one in self.parameters if one.grad is not None]


def _all_finite(tensors: Sequence[Tensor]) -> Tensor:
    """Say whether every element is finite, without waiting for the device."""
    if tensors[0].is_cuda:
        return torch.nn.utils.get_total_norm(tensors, torch.inf).isfinite()
    # There the norm takes ten times as long. Both extremes are NaN where anything is.
    extremes = [extreme for one in tensors for extreme in (one.amin(), one.amax())]
    return torch.stack(extremes).isfinite().all()


class _Statistics:
    """Batch statistics of one type that can be set back, in a handful of kernels for them all."""

    def __init__(self, tensors: list[Tensor]) -> None:
        self._tensors = tensors
        self._before = self._now()

    def remember(self) -> None:
        self._before = self._now()

    def undo(self, bad: Tensor) -> None:
        """Set back what was remembered, where bad says so."""
        flat = torch.where(bad, self._before, self._now())
        sizes = [one.numel() for one in self._tensors]
        parts = torch.split(flat, sizes)
        kept = [part.view(one.shape) for part, one in zip(parts, self._tensors, strict=True)]
        torch._foreach_copy_(self._tensors, kept)

    def _now(self) -> Tensor:
        return torch.cat([one.reshape(-1) for one in self._tensors])


def _by_type(tensors: Iterable[Tensor]) -> list[list[Tensor]]:
    found: dict[torch.dtype, list[Tensor]] = {}
    for tensor in tensors:
        found.setdefault(tensor.dtype, []).append(tensor)
    return list(found.values())
