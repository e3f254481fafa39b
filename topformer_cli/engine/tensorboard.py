"""Training curves for TensorBoard, beside another observer."""

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from topformer_cli.data.decode import Pixels
from topformer_cli.engine.examples import Example
from topformer_cli.engine.observer import Observer, Standing
from topformer_cli.errors import UsageError
from topformer_cli.results import Result, StepRecord

_SCALARS: Final = ("loss", "lr", "images_per_s", "wait_share", "memory_mb", "eta_s", "skipped")


class TensorBoardObserver:
    """Writes records, scores and pictures as event files and passes everything on.

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
        """Write loss, learning rate, speed and what else is known."""
        for name in _SCALARS:
            if (value := getattr(record, name)) is not None:
                self.writer.add_scalar(f"train/{name}", value, record.step)
        self.inner.logged(record)

    def evaluating(self, done: int, total: int) -> None:
        """An evaluation has seen some of its images."""
        self.inner.evaluating(done, total)

    def evaluated(self, step: int, result: Result, standing: Standing) -> None:
        """Write the scores."""
        for name, value in result.scores.items():
            self.writer.add_scalar(f"{result.split}/{name}", value, step)
        self.writer.flush()
        self.inner.evaluated(step, result, standing)

    def pictured(self, step: int, examples: Sequence[Example]) -> None:
        """Pass examples on."""
        self.inner.pictured(step, examples)

    def add_recipe(self, yaml: str) -> None:
        """Write the resolved recipe as a text that keeps its lines."""
        self.writer.add_text("recipe", "\n".join(f"    {line}" for line in yaml.splitlines()))

    def add_picture(self, step: int, pixels: Pixels) -> None:
        """Write a picture [H, W, 3] of the validation split."""
        self.writer.add_image("val/examples", pixels, step, dataformats="HWC")
        self.writer.flush()

    def note(self, text: str) -> None:
        """Pass a note on."""
        self.inner.note(text)
