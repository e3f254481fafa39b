"""Pictures after the paper's Figures 1 and 3."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from topformer_cli.report.ink import FAINT, INK, colour, picture
from topformer_cli.report.overview.records import Panel, PartShare, Point
from topformer_cli.results.paper_table import lettered

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
PLACES: Final = ((7, 4), (7, -10), (-7, 4), (-7, -10))
"""Where a name may stand beside its point: offsets in points, to the left of it if negative."""

LETTER_PT: Final = (4.1, 8.0)
LINE_PT: Final = 10.5
"""From line to line of the key."""
EDGE_PT: Final = 8
"""From the key to the edges of the axes."""
ROOM_PT: Final = 4.5
"""The least radius of a point that holds a letter."""
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
    """Write names beside points where they cover nothing; letters with a key elsewhere."""
    scale = axes.figure.dpi / 72
    left, low, right, high = (side / scale for side in axes.get_window_extent().extents)
    centres = [axes.transData.transform((point.x, point.miou)) / scale for point in points]
    covered = [
        (x - radius, y - radius, x + radius, y + radius)
        for (x, y), radius in zip(centres, map(_radius, points), strict=True)
    ]

    def clashes(box: Box) -> int:
        outside = box[0] < left or box[1] < low or box[2] > right or box[3] > high
        return len(points) * outside + sum(_overlap(box, other) for other in covered)

    def write(point: Point, x: float, y: float, text: str, *, at_any_rate: bool) -> bool:
        boxes = {place: _box(x, y, place, len(text)) for place in _places(point)}
        place = min(boxes, key=lambda place: clashes(boxes[place]))
        if clashes(boxes[place]) and not at_any_rate:
            return False
        covered.append(boxes[place])
        side = "left" if place[0] > 0 else "right"
        _annotate(axes, point, text, place, side)
        return True

    placed = [(point, float(x), float(y)) for point, (x, y) in zip(points, centres, strict=True)]
    nameless = [one for one in placed if not write(*one, one[0].name, at_any_rate=False)]
    letters = lettered(point.name for point, _, _ in nameless)
    for point, x, y in nameless:
        if _radius(point) >= ROOM_PT:
            _annotate(axes, point, letters[point.name], (0, -2.7), "center")
        else:
            write(point, x, y, letters[point.name], at_any_rate=True)
    _write_key(axes, letters, (left, low, right, high), clashes)


def _radius(point: Point) -> float:
    """Return how far a point reaches, in points."""
    return math.sqrt(AREA_PER_M * point.mparams / math.pi)


def _places(point: Point) -> list[tuple[float, float]]:
    gap = _radius(point) - 3
    return [(math.copysign(abs(dx) + gap, dx), dy) for dx, dy in PLACES]


def _box(x: float, y: float, place: tuple[float, float], letters: int) -> Box:
    """Return what so many letters cover whose point is at (x, y)."""
    width = LETTER_PT[0] * letters
    left = x + place[0] - (0 if place[0] > 0 else width)
    return (left, y + place[1] - 1, left + width, y + place[1] + LETTER_PT[1])


def _annotate(axes: "Axes", point: Point, text: str, place: tuple[float, float], side: str) -> None:
    inside = side == "center"
    axes.annotate(
        text, (point.x, point.miou), xytext=place, textcoords="offset points", ha=side,
        fontsize=7.5, zorder=4, weight="bold" if inside else "normal",
        color="white" if inside and point.stable else INK,
    )  # fmt: skip


def _write_key(
    axes: "Axes", letters: Mapping[str, str], edges: Box, clashes: Callable[[Box], int]
) -> None:
    """Write what the letters stand for into the corner where that covers least."""
    if not letters:
        return
    lines = [f"{letter}  {name}" for name, letter in letters.items()]
    width, height = LETTER_PT[0] * max(map(len, lines)), LINE_PT * len(lines)
    left, low, right, high = edges
    corners = [
        (x, y, x + width, y + height)
        for x in (left + EDGE_PT, right - EDGE_PT - width)
        for y in (low + EDGE_PT, high - EDGE_PT - height)
    ]
    begin, bottom, *_ = min(corners, key=clashes)
    axes.annotate(
        "\n".join(lines), (0, 0), xycoords="axes fraction", xytext=(begin - left, bottom - low),
        textcoords="offset points", va="bottom", fontsize=7.5, linespacing=1.3,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 2},
    )  # fmt: skip


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
