"""Pictures after the paper's Figures 1 and 3."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from topformer_cli.report.ink import FAINT, INK, colour, picture
from topformer_cli.report.overview.records import Panel, PartShare, Point

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANEL_IN: Final = (7.2, 4.3)
BAR_IN: Final = 0.42
LABEL_FROM: Final = 0.08
"""Shares below this have no room for their number."""
AREA_PER_M: Final = 26.0
"""Points squared for 10^6 parameters."""
TICKS: Final = ((1000, (1,)), (60, (1, 2, 5)), (1, (1, 1.5, 2, 3, 5, 7)))
"""Where the longest is so many times the shortest: the digits with a tick in each decade."""
PLACES: Final = ((7, 4, "left"), (7, -10, "left"), (-7, 4, "right"), (-7, -10, "right"))
"""Where a name may stand beside its point: offset in points and the side it begins or ends at."""

LETTER_PT: Final = (4.1, 8.0)
Box = tuple[float, float, float, float]


def panel_picture(panel: Panel) -> bytes:
    """Return mIoU against latency or ratio as SVG; area tells parameters, hollow: not stable."""

    def draw(figure: "Figure") -> None:
        axes = figure.subplots()
        for point in panel.points:
            ink = colour(1) if _is_rival(point) else colour(0)
            axes.scatter(
                point.x, point.miou, s=AREA_PER_M * point.mparams, color=ink,
                facecolor=ink if point.stable else "none", alpha=0.75, linewidth=1.4,
                marker="o" if point.whose == "quoted" else "D", zorder=3,
            )  # fmt: skip
        _scale(axes, panel)
        figure.draw_without_rendering()  # names need to know where the points come to lie
        _name_points(axes, panel.points)

    return picture(PANEL_IN, draw, "svg")


def _is_rival(point: Point) -> bool:
    return not point.name.startswith("TopFormer")


def _scale(axes: "Axes", panel: Panel) -> None:
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    xs = [point.x for point in panel.points]
    if max(xs) > 3 * min(xs):
        axes.set_xscale("log")
        digits = next(digits for least, digits in TICKS if max(xs) > least * min(xs))
        axes.xaxis.set_major_locator(LogLocator(subs=digits))
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
    axes.margins(x=0.16, y=0.14)
    axes.set_xlabel(panel.x_label)
    axes.set_ylabel(panel.y_label)


def _name_points(axes: "Axes", points: Sequence[Point]) -> None:
    """Write names beside the points where they cover neither one another nor a point."""
    scale = axes.figure.dpi / 72
    centres = [axes.transData.transform((point.x, point.miou)) / scale for point in points]
    inside = axes.get_window_extent().bounds
    edges = (inside[0] / scale, (inside[0] + inside[2]) / scale)
    boxes: list[Box] = [(x - 4, y - 4, x + 4, y + 4) for x, y in centres]
    for point, (x, y) in zip(points, centres, strict=True):
        width, height = LETTER_PT[0] * len(point.name), LETTER_PT[1]
        gap = math.sqrt(AREA_PER_M * point.mparams / math.pi) - 3
        for dx, dy, side in PLACES:
            at = x + math.copysign(abs(dx) + gap, dx)
            left = at if side == "left" else at - width
            box = (left, y + dy - 1, left + width, y + dy + height)
            fits = edges[0] <= box[0] and box[2] <= edges[1]
            if fits and not any(_overlap(box, other) for other in boxes):
                boxes.append(box)
                axes.annotate(
                    point.name, (point.x, point.miou), xytext=(at - x, dy),
                    textcoords="offset points", ha=side, fontsize=7.5,
                )  # fmt: skip
                break


def _overlap(one: Box, other: Box) -> bool:
    return not (
        one[2] < other[0] or other[2] < one[0] or one[3] < other[1] or other[3] < one[1]
    )  # fmt: skip


def shares_picture(shares: Sequence[PartShare]) -> bytes:
    """Return the parts' shares as two bars a network, as SVG."""
    networks = list(dict.fromkeys(share.network for share in shares))
    bars = [(network, what) for network in networks for what in ("parameters", "multiply-adds")]

    def draw(figure: "Figure") -> None:
        axes = figure.subplots()
        for place, (network, what) in enumerate(bars):
            _bar(axes, place, [one for one in shares if one.network == network], what)
        axes.set_yticks(range(len(bars)), [f"{network}: {what}" for network, what in bars])
        axes.invert_yaxis()
        axes.set_xlim(0, 100)
        axes.set_xlabel("share (%)")
        axes.grid(visible=False)
        axes.spines["left"].set_visible(False)
        axes.tick_params(left=False)
        axes.legend(
            loc="lower left", bbox_to_anchor=(-0.42, 1.0), ncols=4, handlelength=1, columnspacing=1
        )

    return picture((PANEL_IN[0], 1.1 + BAR_IN * len(bars)), draw, "svg")


def _bar(axes: "Axes", place: int, parts: Sequence[PartShare], what: str) -> None:
    counts = [one.parameters if what == "parameters" else one.multiply_adds for one in parts]
    start = 0.0
    for index, (one, count) in enumerate(zip(parts, counts, strict=True)):
        share = 100 * count / sum(counts)
        label = one.part if place == 0 else None
        axes.barh(place, share, left=start, height=0.68, color=colour(index), label=label)
        if share >= 100 * LABEL_FROM:
            axes.text(
                start + share / 2, place, f"{share:.1f}", ha="center", va="center", fontsize=8,
                color="white", weight="bold",
            )  # fmt: skip
        start += share
    axes.axvline(0, color=FAINT, lw=0.5)
    axes.tick_params(axis="y", labelcolor=INK)
