"""What a training run tells whoever watches it."""

from collections.abc import Sequence
from typing import Literal, Protocol

from topformer_cli.engine.examples import Example
from topformer_cli.results import Result, StepRecord

Standing = Literal["best", "as good", "less"]
"""How an evaluation stands to the best one before it."""


def standing(score: float, best: float) -> Standing:
    """Return how a score stands to the best one before it; the higher is the better."""
    if score == best:
        return "as good"
    return "best" if score > best else "less"


class Observer(Protocol):
    """The terminal, or anything else that follows a run."""

    def started(self, step: int, total: int) -> None:
        """The loop begins at a step."""
        ...

    def stepped(self, step: int) -> None:
        """A step is done."""
        ...

    def logged(self, record: StepRecord) -> None:
        """Means over the last steps are known."""
        ...

    def evaluating(self, done: int, total: int) -> None:
        """An evaluation has seen some of its images."""
        ...

    def evaluated(self, step: int, result: Result, standing: Standing) -> None:
        """An evaluation during training is done."""
        ...

    def pictured(self, step: int, examples: Sequence[Example]) -> None:
        """After an evaluation, a few validation images were looked at."""
        ...

    def note(self, text: str) -> None:
        """Something a person should know."""
        ...


class Silence:
    """An observer that keeps to itself, in all processes of a training but the first."""

    def pictured(self, step: int, examples: Sequence[Example]) -> None:
        """Say nothing."""

    def started(self, step: int, total: int) -> None:
        """Say nothing."""

    def stepped(self, step: int) -> None:
        """Say nothing."""

    def logged(self, record: StepRecord) -> None:
        """Say nothing."""

    def evaluating(self, done: int, total: int) -> None:
        """Say nothing."""

    def evaluated(self, step: int, result: Result, standing: Standing) -> None:
        """Say nothing."""

    def note(self, text: str) -> None:
        """Say nothing."""
