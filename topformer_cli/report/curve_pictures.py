"""The curves of a run as PNG pictures for its folder; the pages have their own in plots.py."""

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from topformer_cli.report.ink import COLOURS, INK, picture
from topformer_cli.report.records import Curves, Points

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SIZE_IN: Final = (7.0, 4.4)
SMOOTHED: Final = 50
"""So many means of neighbours a curve of more points is drawn by, over its points."""

_BLUE, _ORANGE, _GREEN = COLOURS[:3]
_FAINT: Final = "#c9ccd1"


def loss_picture(curves: Curves) -> bytes:
    """Draw the training loss with the learning rate below it, by step, as PNG."""

    def draw(figure: "Figure") -> None:
        above, below = figure.subplots(2, sharex=True, height_ratios=(3, 1))
        above.set_title("training loss")
        _draw_loss(above, curves.loss)
        below.set_title("learning rate")
        below.set_xlabel("step")
        if _drawn(below, curves.rate, _BLUE):
            below.set_ylim(bottom=0)
            below.ticklabel_format(axis="y", style="sci", scilimits=(-2, 3), useMathText=True)
        if ends := [points[-1][0] for points in (curves.loss, curves.rate) if points]:
            below.set_xlim(0, 1.1 * max(ends))  # what is beyond would be drawn outside

    return picture(SIZE_IN, draw, "png")


def headline_picture(curves: Curves, name: str) -> bytes:
    """Draw the validation headline in percent by step with its best marked, as PNG."""

    def draw(figure: "Figure") -> None:
        axes = figure.subplots()
        axes.set_title(f"{name} (%)")
        axes.set_xlabel("step")
        if not _drawn(axes, curves.headline, _GREEN):
            return
        assert curves.best is not None
        step, value = curves.best
        last_step, last = curves.headline[-1]
        axes.set_xlim(0, last_step * 1.03)
        axes.set_ylim(0, min(100.0, value * 1.2) or 1)
        axes.plot([step], [value], "o", color=_ORANGE, markersize=8, zorder=3, clip_on=False)
        words = f"best {value:.2f} at step {step:,}"
        words += "" if step == last_step else f"; last {last:.2f}"
        axes.annotate(
            words,
            (step, value),
            xytext=(0, 10),
            textcoords="offset points",
            ha="left" if step < 0.4 * last_step else "right",
            color=_ORANGE,
            weight="bold",
        )

    return picture(SIZE_IN, draw, "png")


def _draw_loss(axes: "Axes", points: Points) -> None:
    smooth = smoothed(points)
    if not _drawn(axes, points, _FAINT if smooth is not points else _ORANGE):
        return
    if smooth is not points:
        axes.plot(*zip(*smooth, strict=True), color=_ORANGE, linewidth=2)
    value = smooth[-1][1]
    axes.set_ylim(0, max(loss for _, loss in smooth) * 1.15 or 1)
    axes.annotate(  # beside the curve, which goes on under nothing
        f"{value:.3f}",
        (points[-1][0], value),
        xytext=(6, 0),
        textcoords="offset points",
        ha="left",
        va="center",
        color=_ORANGE,
        weight="bold",
    )


def _drawn(axes: "Axes", points: Points, colour: str) -> bool:
    """Draw points as a line; return whether there were any."""
    if not points:
        axes.text(
            0.5, 0.5, "nothing was recorded", ha="center", color=INK, transform=axes.transAxes
        )
        axes.set_yticks([])
        return False
    faint = colour == _FAINT
    marker = "o" if len(points) <= 25 and not faint else ""
    width = 0.7 if faint else 2
    axes.plot(
        *zip(*points, strict=True),
        color=colour,
        linewidth=width,
        marker=marker,
        markersize=4,
        clip_on=faint,  # a mark at 0 is seen whole; points far above the smooth curve are not
    )
    return True


def smoothed(points: Points) -> Sequence[tuple[float, float]]:
    """Return the mean step and value of each of SMOOTHED runs of neighbours; few points as is."""
    if len(points) < 2 * SMOOTHED:
        return points
    bounds = [len(points) * number // SMOOTHED for number in range(SMOOTHED + 1)]
    runs = [points[start:stop] for start, stop in itertools.pairwise(bounds)]
    return [
        (sum(step for step, _ in run) / len(run), sum(value for _, value in run) / len(run))
        for run in runs
    ]
