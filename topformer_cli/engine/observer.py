"""What a training run tells whoever watches it."""

from typing import Protocol

from topformer_cli.results import Result, StepRecord


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

    def evaluated(self, step: int, result: Result, *, best: bool) -> None:
        """An evaluation during training is done."""
        ...

    def note(self, text: str) -> None:
        """Something a person should know."""
        ...
