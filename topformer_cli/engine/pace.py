"""How fast a training goes on, and when it will be over."""

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from topformer_cli.sections.record import Recipe


@dataclass(frozen=True, slots=True)
class Window:
    """Some steps, the seconds that they took, and of these the ones spent waiting for batches."""

    steps: int = 0
    seconds: float = 0.0
    waited: float = 0.0

    @property
    def steps_per_s(self) -> float:
        """Steps a second."""
        return self.steps / max(self.seconds, 1e-9)

    @property
    def wait_share(self) -> float:
        """The part of the time, 0..1, that was spent waiting for batches."""
        return min(1.0, self.waited / max(self.seconds, 1e-9))

    def plus(self, other: "Window") -> "Window":
        """Return both as one."""
        return Window(
            self.steps + other.steps, self.seconds + other.seconds, self.waited + other.waited
        )


class Pace:
    """A clock of steps and evaluations since a training was started or resumed."""

    def __init__(self, recipe: Recipe) -> None:
        self._iterations, self._every = recipe.schedule.iterations, recipe.evaluation.every
        self._since, self._steps, self._waited = time.perf_counter(), 0, 0.0
        self._windows, self._all = 0, Window()
        self._evaluations, self._evaluating_s = 0, 0.0

    def timed(self, batches: Iterator[Any]) -> Iterator[Any]:
        """Pass batches on and count steps, and the time that the loop waited for them."""
        while True:
            start = time.perf_counter()
            batch = next(batches, None)
            self._waited += time.perf_counter() - start
            if batch is None:
                return
            self._steps += 1
            yield batch

    @contextlib.contextmanager
    def evaluating(self) -> Iterator[None]:
        """Count what happens inside as an evaluation, not as time of the steps around it."""
        begun = time.perf_counter()
        yield
        seconds = time.perf_counter() - begun
        self._since += seconds
        self._evaluations += 1
        self._evaluating_s += seconds

    def window(self) -> Window:
        """Return what happened since the last window, and begin the next one."""
        now = time.perf_counter()
        window = Window(self._steps, now - self._since, self._waited)
        self._since, self._steps, self._waited = now, 0, 0.0
        # The first steps fill caches and compile: they count only until there are others.
        self._all = self._all.plus(window) if self._windows > 1 else window
        self._windows += 1
        return window

    def seconds_left(self, step: int) -> float | None:
        """Return how long the rest will take when so many steps are done; None if unknown.

        The evaluation at this step is still to come. Until one was measured they count nothing.
        """
        if not self._all.steps:
            return None
        steps = (self._iterations - step) * self._all.seconds / self._all.steps
        each = self._evaluating_s / max(self._evaluations, 1)
        return steps + each * evaluations_left(step, self._iterations, self._every)


def evaluations_left(step: int, iterations: int, every: int) -> int:
    """Count the evaluations of a training from the end of a step on, the last one included.

    There is one after each multiple of `every`, and one at the end.
    """
    ended = iterations % every != 0
    return iterations // every - (max(step, 1) - 1) // every + int(ended)
