"""What the processes of a training decide together: to save, and to stop.

A signal reaches them at different steps, and their clocks differ. What each one wishes travels in
the message that sums the gradients, so that all act after the same step. The answer is read only
where a device has it by then: a few steps late on CUDA, so that no step waits for a number.
"""

from collections import deque
from typing import Final, NamedTuple

import torch
from torch import Tensor

from topformer_cli.engine.processes.world import World
from topformer_cli.engine.signals import STOPPING

LATE: Final = 4
"""Steps that CUDA runs behind the host when an answer is read."""


class Decision(NamedTuple):
    """What all processes do after a step; stop is a signal's number, or None."""

    stop: int | None
    save: bool


class Agreement:
    """Carries wishes into a step's message and decisions out of it."""

    def __init__(self, world: World, device: torch.device) -> None:
        self._world = world
        self._message = torch.zeros(len(STOPPING) + 1, device=device)
        self._sent: deque[tuple[Tensor, torch.cuda.Event | None]] = deque()
        self._late = LATE if device.type == "cuda" else 0
        self._asked = False

    @property
    def message(self) -> list[Tensor]:
        """What a step sums over all processes besides its gradients."""
        return [] if self._world.size == 1 else [self._message]

    def decide(self, stop: int | None, *, save: bool) -> Decision:
        """Say, after a step, what this process would do; return what all of them do now.

        A process alone does what it would. Among several it is what they would have done a step
        or some before, and the first one says when to save.
        """
        if self._world.size == 1:
            return Decision(stop, save)
        self._send()
        self._wish(stop, save=save and self._world.first and not self._asked)
        if len(self._sent) <= self._late:
            return Decision(None, save=False)
        values, event = self._sent.popleft()
        if event is not None:
            event.synchronize()
        *stops, saving = values.tolist()
        wanted = [number for number, count in zip(STOPPING, stops, strict=True) if count]
        self._asked = self._asked and not saving
        return Decision(int(wanted[-1]) if wanted else None, save=bool(saving))

    def _wish(self, stop: int | None, *, save: bool) -> None:
        self._message.zero_()
        self._asked = self._asked or save
        if stop in STOPPING:
            self._message[STOPPING.index(stop)] = 1
        if save:
            self._message[-1] = 1

    def _send(self) -> None:
        """Let the device hand out the sums, without waiting for it."""
        if self._message.is_cuda:
            values = torch.empty(self._message.shape, pin_memory=True)
            values.copy_(self._message, non_blocking=True)
            event = torch.cuda.Event()  # type: ignore[no-untyped-call]
            event.record()
            self._sent.append((values, event))
        else:
            self._sent.append((self._message.clone(), None))
