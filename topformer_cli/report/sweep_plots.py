"""The picture of a sweep: what each network costs in time and what it gives."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from topformer_cli.report.ink import FAINT, INK, Form, colour, mark, picture
from topformer_cli.results.sweep import SweepPoint, frontier

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

WIDTH_IN, HEIGHT_IN = 6.4, 4.9
SIZES: Final = ("tiny", "small", "base")
COLUMNS: Final = 4
LETTER_PT: Final = 4.8
PLACES: Final = ((-6, 6, "right"), (-8, -3, "right"), (8, -10, "left"), (8, -3, "left"))
"""Where a name may stand beside its point: offset in points and the side it ends at."""

Box = tuple[float, float, float, float]
"""Left, bottom, right, top in points."""


def pareto_plot(
    points: Sequence[SweepPoint], budget_ms: float | None = None, form: Form = "png"
) -> bytes:
    """Return latency against mIoU, or against multiply-adds where there is none.

    Each device has a column. Marks tell the size, colours engine and precision; hollow marks are
    numbers that are not stable. The line joins the points that no other beats; it is dotted where
    a number on it is not stable.
    """
    devices = list(dict.fromkeys(point.device for point in points))
    if not devices:
        return picture((WIDTH_IN, 1.2), _nothing, form)

    def draw(figure: "Figure") -> None:
        columns = figure.subplots(1, len(devices), squeeze=False, sharey=True)[0]
        own = [[one for one in points if one.device == device] for device in devices]
        for axes, some in zip(columns, own, strict=True):
            _device(axes, some, _kinds(points), budget_ms)
        if any(point.verdict == "emulated" for point in points):
            figure.suptitle("emulated, not a latency", weight="bold")
        _legend(figure, points, [point for some in own for point in _shown(some)])
        figure.draw_without_rendering()  # names need to know where the points come to lie
        for axes, some in zip(columns, own, strict=True):
            _name_frontier(axes, some)

    return picture((WIDTH_IN * len(devices), HEIGHT_IN), draw, form)


def _nothing(figure: "Figure") -> None:
    figure.text(0.5, 0.5, "nothing was measured", ha="center", va="center")


def _device(
    axes: "Axes", points: Sequence[SweepPoint], kinds: Sequence[str], budget_ms: float | None
) -> None:
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    best = frontier(points)
    rated = any(point.miou is not None for point in points)
    shown = _shown(points)
    for point in shown:
        ink = colour(kinds.index(_kind(point)))
        axes.plot(
            point.median_ms, _worth(point), mark(_size(point.size)), ms=8, mec=ink, mew=1.5,
            mfc=ink if point.verdict == "stable" else "white", zorder=3,
        )  # fmt: skip
        if point.p90_ms is not None:
            ends = [point.median_ms, point.p90_ms]
            axes.plot(ends, [_worth(point)] * 2, color=ink, lw=1.4, zorder=2)
    dotted = any(point.verdict != "stable" for point in best)
    axes.plot(
        [point.median_ms for point in best], [_worth(point) for point in best],
        color=FAINT, lw=1.2, ls=":" if dotted else "-", zorder=1,
    )  # fmt: skip
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 5, 7)))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.margins(x=0.12, y=0.12)
    axes.set_xlabel("median latency (ms), line to the 90th percentile")
    axes.set_ylabel("mIoU (%)" if rated else "multiply-adds (10⁹)")
    axes.set_title(points[0].device)
    _budget(axes, budget_ms)
    if len(shown) < len(points):
        words = f"{len(points) - len(shown)} without mIoU are not shown"
        axes.set_title(words, loc="right", fontsize=8, weight="normal", color=FAINT)


def _budget(axes: "Axes", budget_ms: float | None) -> None:
    if budget_ms is None:
        return
    axes.axvline(budget_ms, color=INK, lw=1, ls="--")
    axes.annotate(
        f"{budget_ms:g} ms", (budget_ms, 0.02), xycoords=("data", "axes fraction"),
        xytext=(4, 0), textcoords="offset points", fontsize=9,
    )  # fmt: skip


def _legend(figure: "Figure", points: Sequence[SweepPoint], shown: Sequence[SweepPoint]) -> None:
    """Explain the colours and marks that are shown, below the picture, where no point can lie."""
    from matplotlib.lines import Line2D as Line

    kinds = [
        Line([], [], color=colour(index), lw=4, label=kind)
        for index, kind in enumerate(_kinds(points))
        if kind in _kinds(shown)
    ]
    marks = [
        Line([], [], marker=mark(_size(size)), ls="", color=INK, ms=7, label=size)
        for size in sorted({point.size for point in shown}, key=_size)
    ]
    if any(point.verdict != "stable" for point in shown):
        marks.append(
            Line([], [], marker="o", ls="", mfc="white", mec=INK, ms=7, label="not stable")
        )
    rows = [*_in_rows(kinds), *_in_rows(marks)]
    blank = Line([], [], ls="", label=" ")
    # matplotlib fills columns first.
    handles = [
        row[column] if column < len(row) else blank for column in range(COLUMNS) for row in rows
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=COLUMNS, columnspacing=1.2)


def _in_rows(handles: Sequence["Line2D"]) -> list[Sequence["Line2D"]]:
    return [handles[start : start + COLUMNS] for start in range(0, len(handles), COLUMNS)]


def _name_frontier(axes: "Axes", points: Sequence[SweepPoint]) -> None:
    """Write names beside the points of the frontier, where they cover nothing, else not at all."""
    scale = axes.figure.dpi / 72
    taken = [_at(axes, point, scale) for point in _shown(points)]
    boxes = [(x - 5, y - 5, x + 5, y + 5) for x, y in taken]
    for point in frontier(points):
        x, y = _at(axes, point, scale)
        width = LETTER_PT * len(_name(point))
        for dx, dy, side in PLACES:
            left = x + dx - (width if side == "right" else 0)
            box = (left, y + dy - 1, left + width, y + dy + 8)
            if not any(_overlap(box, other) for other in boxes):
                boxes.append(box)
                axes.annotate(
                    _name(point), (point.median_ms, _worth(point)), xytext=(dx, dy),
                    textcoords="offset points", ha=side, fontsize=8,
                )  # fmt: skip
                break


def _at(axes: "Axes", point: SweepPoint, scale: float) -> tuple[float, float]:
    x, y = axes.transData.transform((point.median_ms, _worth(point)))
    return x / scale, y / scale


def _overlap(one: Box, other: Box) -> bool:
    apart = one[2] < other[0] or other[2] < one[0] or one[3] < other[1] or other[3] < one[1]
    return not apart


def _shown(points: Sequence[SweepPoint]) -> list[SweepPoint]:
    """Return the points that have a mIoU, or all when none has."""
    return [point for point in points if point.miou is not None] or list(points)


def _kinds(points: Sequence[SweepPoint]) -> list[str]:
    return sorted({_kind(point) for point in points})


def _kind(point: SweepPoint) -> str:
    return f"{point.engine} {point.precision}"


def _size(size: str) -> int:
    return SIZES.index(size) if size in SIZES else len(SIZES)


def _worth(point: SweepPoint) -> float:
    return point.multiply_adds / 1e9 if point.miou is None else point.miou


def _name(point: SweepPoint) -> str:
    height, width = point.input
    return f"{point.size} {height if height == width else f'{height}x{width}'}"
