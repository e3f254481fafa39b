"""Training curves for TensorBoard, beside another observer."""

import importlib.util
from pathlib import Path

from topformer_cli.engine.observer import Observer
from topformer_cli.errors import UsageError
from topformer_cli.results import Result, StepRecord


class TensorBoardObserver:
    """Writes losses, rates and scores as event files and passes everything on.

    Raises:
        UsageError: the package tensorboard is not installed.
    """

    def __init__(self, folder: Path, inner: Observer) -> None:
        if importlib.util.find_spec("tensorboard") is None:
            message = "--tensorboard needs a package: pip install 'topformer-cli[tensorboard]'"
            raise UsageError(message)
        from torch.utils.tensorboard import SummaryWriter

        self.writer = SummaryWriter(folder)
        self.inner = inner

    def started(self, step: int, total: int) -> None:
        """The loop begins at a step."""
        self.inner.started(step, total)

    def stepped(self, step: int) -> None:
        """A step is done."""
        self.inner.stepped(step)

    def logged(self, record: StepRecord) -> None:
        """Write loss, learning rate and speed."""
        for name in ("loss", "lr", "images_per_s"):
            self.writer.add_scalar(f"train/{name}", getattr(record, name), record.step)
        self.inner.logged(record)

    def evaluating(self, done: int, total: int) -> None:
        """An evaluation has seen some of its images."""
        self.inner.evaluating(done, total)

    def evaluated(self, step: int, result: Result, *, best: bool) -> None:
        """Write the scores."""
        for name, value in result.scores.items():
            self.writer.add_scalar(f"{result.split}/{name}", value, step)
        self.writer.flush()
        self.inner.evaluated(step, result, best=best)

    def note(self, text: str) -> None:
        """Pass a note on."""
        self.inner.note(text)
