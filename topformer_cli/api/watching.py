"""What a training draws while it runs: its curves, and how it labels a few validation images."""

import time
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from PIL import Image

from topformer_cli import draw
from topformer_cli.data.card import DatasetCard
from topformer_cli.engine.observer import Observer
from topformer_cli.engine.task import Example
from topformer_cli.report.curve_pictures import headline_picture, loss_picture
from topformer_cli.report.records import read_curves
from topformer_cli.results import Result, StepRecord
from topformer_cli.rundir import RunDir, atomic_write

CELL: Final = (320, 240)
"""The most width and height of one picture of a sheet."""

MOST_SHARE: Final = 0.05
"""The curves are drawn as often as that takes this share of the time."""

OnPicture = Callable[[int, draw.Picture], None]
"""Called with the step and the sheet [H, W, 3]."""


class DrawingObserver:
    """Writes pictures into the run folder after each evaluation and passes everything on."""

    def __init__(
        self, run: RunDir, card: DatasetCard, inner: Observer, also: OnPicture | None = None
    ) -> None:
        self.run, self.inner, self.also = run, inner, also
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

    def evaluated(self, step: int, result: Result, *, best: bool) -> None:
        """Draw the curves, as often as that takes little of the time, and at the end."""
        self.inner.evaluated(step, result, best=best)
        self.heading = f"{result.model} on {self.card.title}, step {step}: {result.headline}"
        begun = time.monotonic()
        if step == self.total or self.cost <= MOST_SHARE * (begun - self.drawn_at):
            self._draw_curves(result)
            self.drawn_at = time.monotonic()
            self.cost = self.drawn_at - begun

    def _draw_curves(self, result: Result) -> None:
        headline = result.headline
        curves = read_curves(self.run.metrics, headline.key)
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


def draw_examples(examples: Sequence[Example], card: DatasetCard, heading: str) -> Image.Image:
    """Draw images beside the labels they should have and those they got."""
    legend = draw.Legend(draw.drawable_names(card.classes), card.palette)
    small = [_scaled(one) for one in examples]
    tiles = [
        draw.Tile(draw.drawable(one.id), _agreement(one), _pictures(thumbnail, legend))
        for one, thumbnail in zip(examples, small, strict=True)
    ]
    footer = f"Terms: {card.terms}" if card.terms else ""
    return draw.draw_sheet(
        draw.Sheet(
            heading=heading,
            note="image, truth, prediction",
            tiles=tiles,
            width=draw.row_width(CELL[0], 3, 1),
            legend=_entries(small, legend),
            footer=footer,
        )
    )


def _scaled(example: Example) -> Example:
    """Return an example that fits a cell; labels take the nearest pixel's."""
    height, width = example.truth.shape
    size = draw.fit((width, height), CELL)

    def fitted(pixels: draw.Picture, how: Image.Resampling) -> draw.Picture:
        # reducing_gap: far faster, and nobody sees it on a thumbnail.
        return np.asarray(Image.fromarray(pixels).resize(size, how, reducing_gap=2.0))

    return Example(
        example.id,
        fitted(example.image, Image.Resampling.BILINEAR),
        fitted(example.truth, Image.Resampling.NEAREST),
        fitted(example.predicted, Image.Resampling.NEAREST),
    )


def _pictures(small: Example, legend: draw.Legend) -> tuple[Image.Image, ...]:
    """Return the image, and label maps over it; what has no class is hatched in the truth."""
    truth = draw.overlay(small.image, small.truth, legend)
    without = (small.truth == draw.IGNORE)[..., None]
    truth = np.where(without, draw.hatched(small.truth, legend), truth)
    predicted = draw.overlay(small.image, small.predicted, legend)
    maps = ((truth, small.truth), (predicted, small.predicted))
    bordered = (Image.fromarray(draw.with_borders(one, labels)) for one, labels in maps)
    return Image.fromarray(small.image), *bordered


def _agreement(example: Example) -> str:
    labelled = example.truth != draw.IGNORE
    if not labelled.any():
        return "nothing is labelled"
    share = float((example.truth == example.predicted)[labelled].mean())
    return f"{share:.0%} of the labelled pixels are right"


def _entries(examples: Sequence[Example], legend: draw.Legend) -> list[draw.Entry]:
    """Return the classes of all label maps of a sheet, those on most pixels first."""
    counts = np.zeros(256, np.int64)
    for one in examples:
        for labels in (one.truth, one.predicted):
            counts += np.bincount(labels.ravel(), minlength=256)
    present = [int(one) for one in np.argsort(-counts, kind="stable") if counts[one]]
    entries = [
        draw.Entry(legend.classes[one], legend.palette[one])
        for one in present
        if one != draw.IGNORE
    ]
    return [*entries, draw.Entry("ignored", None)] if counts[draw.IGNORE] else entries
