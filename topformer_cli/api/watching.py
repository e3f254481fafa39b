"""What a training draws while it runs: its curves, and what it sees in a few validation images."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from topformer_cli import draw
from topformer_cli.api.examples import draw_examples
from topformer_cli.data.card import DatasetCard
from topformer_cli.engine.examples import Example
from topformer_cli.engine.observer import Observer, Standing
from topformer_cli.report.curve_pictures import headline_picture, loss_picture
from topformer_cli.report.records import Points, read_curves
from topformer_cli.results import Result, StepRecord
from topformer_cli.rundir import RunDir, atomic_write

MOST_SHARE: Final = 0.05
"""The curves are drawn as often as that takes this share of the time."""

OnPicture = Callable[[int, draw.Picture], None]
"""Called with the step and the sheet [H, W, 3]."""


class DrawingObserver:
    """Writes pictures into the run folder after each evaluation and passes everything on.

    rates: the scheduled learning rates by step, which the journal has too few of.
    """

    def __init__(
        self,
        run: RunDir,
        card: DatasetCard,
        inner: Observer,
        also: OnPicture | None = None,
        rates: Points = (),
    ) -> None:
        self.run, self.inner, self.also, self.rates = run, inner, also, rates
        self.card = card
        self.heading = card.title
        self.total = 0
        self.drawn_at, self.cost = time.monotonic(), 0.0

    def started(self, step: int, total: int) -> None:
        """The loop begins at a step."""
        self.total = total
        self.inner.started(step, total)

    def stepped(self, step: int) -> None:
        """A step is done."""
        self.inner.stepped(step)

    def logged(self, record: StepRecord) -> None:
        """Means over the last steps are known."""
        self.inner.logged(record)

    def evaluating(self, done: int, total: int) -> None:
        """An evaluation has seen some of its images."""
        self.inner.evaluating(done, total)

    def evaluated(self, step: int, result: Result, standing: Standing) -> None:
        """Draw the curves, as often as that takes little of the time, and at the end."""
        self.inner.evaluated(step, result, standing)
        self.heading = f"{result.model} on {self.card.title}, step {step}: {result.headline}"
        begun = time.monotonic()
        if step == self.total or self.cost <= MOST_SHARE * (begun - self.drawn_at):
            self._draw_curves(result)
            self.drawn_at = time.monotonic()
            self.cost = self.drawn_at - begun

    def _draw_curves(self, result: Result) -> None:
        headline = result.headline
        curves = read_curves(self.run.metrics, headline.key)
        curves = replace(curves, rate=self.rates or curves.rate)
        atomic_write(self.run.path / "loss.png", loss_picture(curves))
        picture = headline_picture(curves, f"{headline.name} on {result.split}")
        atomic_write(self.run.path / f"{headline.key}.png", picture)

    def pictured(self, step: int, examples: Sequence[Example]) -> None:
        """Draw the examples, if there are any."""
        self.inner.pictured(step, examples)
        if not examples:
            return
        sheet = draw_examples(examples, self.card, self.heading)
        data = draw.png(sheet)
        atomic_write(self.run.picture(step), data)
        atomic_write(self.run.latest_picture, data)
        if self.also:
            self.also(step, np.asarray(sheet))

    def note(self, text: str) -> None:
        """Pass a note on."""
        self.inner.note(text)
