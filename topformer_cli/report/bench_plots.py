"""Pictures of a measurement: every inference over time, clock and temperature, each round."""

import statistics
from collections.abc import Callable, Sequence
from itertools import pairwise
from textwrap import wrap
from typing import TYPE_CHECKING, Final

from topformer_cli.report.ink import BAND, FAINT, INK, WARNING, Form, colour, mark, picture
from topformer_cli.report.lanes import DeviceLanes, Lane, broken_line, devices_of
from topformer_cli.results import BenchSession, Round
from topformer_cli.results.timeline import sustained, windows

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

WIDTH_IN: Final = 10.5
SAMPLES_IN, PANEL_IN, LABEL_IN = 3.1, 1.0, 0.19
DENSE: Final = 3000
"""More points than these are drawn smaller and paler."""
MANY_ROUNDS: Final = 12
"""More boxes than these would be slivers; rounds are then drawn as a line of medians."""
REASON_LETTERS, REASON_LINES = 46, 12
WIDE: Final = 1.6
"""Latencies that differ by more than this factor stand on a logarithmic scale."""
EMULATED: Final = "emulated, not a latency"

DrawTimes = Callable[["Axes", DeviceLanes], None]


def session_plot(session: BenchSession, form: Form = "png") -> bytes:
    """Return a session as a picture, one row a device.

    Left: inferences over time, below them the core's clock and the hottest sensor, where they
    could be read. Right: each round as a box (quartiles; whiskers from least to most, cut at the
    top of the picture), or its mean and range where the runner tells no single times; below, why
    numbers are not stable.
    """
    return _rows(session, form, _samples, boxes=True)


def sustained_plot(session: BenchSession, form: Form = "png") -> bytes:
    """Return the speed of a long run over time, with its clock and temperature."""
    return _rows(session, form, _curve, boxes=False)


def _rows(session: BenchSession, form: Form, draw_times: DrawTimes, *, boxes: bool) -> bytes:
    devices = devices_of(session)
    if not devices:
        return picture((WIDTH_IN, 1.2), _nothing, form)
    heights = [
        SAMPLES_IN + 0.4 + LABEL_IN * len(one.lanes) + PANEL_IN * len(_panels(one))
        for one in devices
    ]

    def draw(figure: "Figure") -> None:
        parts = figure.subfigures(len(devices), 1, squeeze=False, height_ratios=heights)
        for part, device in zip(parts[:, 0], devices, strict=True):
            _device(part, device, draw_times, boxes=boxes)

    return picture((WIDTH_IN, sum(heights)), draw, form)


def _nothing(figure: "Figure") -> None:
    figure.text(0.5, 0.5, "no round was completed", ha="center", va="center")


def _device(part: "SubFigure", device: DeviceLanes, draw_times: DrawTimes, *, boxes: bool) -> None:
    title = f"{device.name}: {EMULATED}" if device.emulated else device.name
    part.suptitle(title, x=0.01, ha="left", weight="bold", fontsize=12)
    panels = _panels(device)
    ratios = [SAMPLES_IN, *(PANEL_IN for _ in panels)]
    grid = part.add_gridspec(
        len(ratios), 2 if boxes else 1, height_ratios=ratios,
        width_ratios=(2.3, 1) if boxes else None,
    )  # fmt: skip
    top = part.add_subplot(grid[0, 0])
    rows = [top, *(part.add_subplot(grid[row, 0], sharex=top) for row in range(1, len(ratios)))]
    for axes in rows:
        _bands(axes, device)
    draw_times(top, device)
    for axes, panel in zip(rows[1:], panels, strict=True):
        panel(axes, device)
    for axes in rows[:-1]:
        axes.tick_params(labelbottom=False)
    rows[-1].set_xlabel("seconds since the first timed inference")
    if boxes:
        right = part.add_subplot(grid[0, 1], sharey=top)
        _rounds(right, device)
        right.tick_params(labelleft=False)
        if panels:
            _reasons(part.add_subplot(grid[1:, 1]), device)


def _bands(axes: "Axes", device: DeviceLanes) -> None:
    """Shade the time of every round; throttled ones in another colour."""
    for span in device.spans():
        axes.axvspan(
            span.start_s, span.end_s, color=WARNING if span.throttled else BAND, zorder=0, lw=0
        )


def _samples(axes: "Axes", device: DeviceLanes) -> None:
    top = _top(device)
    dense = sum(len(lane.points) for lane in device.lanes) > DENSE
    for index, lane in enumerate(device.lanes):
        size = 42 if not lane.told else 3 if dense else 9
        xs = [point.at_s for point in lane.points]
        ys = [point.ms for point in lane.points]
        above = [(x, y) for x, y in zip(xs, ys, strict=True) if y > top]
        longest = max([y for _, y in above], default=0.0)
        words = f"; ▲ {len(above)} off the scale, up to {longest:.0f} ms" if above else ""
        axes.scatter(
            xs, ys, s=size, color=colour(index), marker=mark(index), alpha=0.4 if dense else 0.75,
            lw=0, label=_label(lane) + words,
        )  # fmt: skip
        edge = axes.get_xaxis_transform()
        axes.plot(
            [x for x, _ in above], [0.985] * len(above), "^", ms=5, color=colour(index),
            transform=edge,
        )  # fmt: skip
    _scale(axes, device, top)
    _legend(axes, device)


def _curve(axes: "Axes", device: DeviceLanes) -> None:
    for index, lane in enumerate(device.lanes):
        found = sustained(lane.result.rounds)
        axes.scatter(
            [point.at_s for point in lane.points], [point.ms for point in lane.points],
            s=4, color=colour(index), alpha=0.2, lw=0,
        )  # fmt: skip
        width = found.window_s if found else 1.0
        middle = [(at_s + width / 2, ms) for at_s, ms in windows(lane.points, width)]
        words = f"{_label(lane)}; {found.ratio:.2f}x at the end" if found else _label(lane)
        axes.plot(*zip(*middle, strict=True), color=colour(index), lw=2.2, label=words)
        if found:
            axes.axhline(found.first_ms * 1.05, color=colour(index), lw=1, ls=":")
        if found and found.drop_s is not None:
            at_s = lane.points[0].at_s + found.drop_s
            axes.plot([at_s], [found.first_ms * 1.05], mark(index), ms=8, color=colour(index))
            axes.annotate(
                f"5 % slower from {found.drop_s:.0f} s", (at_s, found.first_ms * 1.05),
                xytext=(6, -14), textcoords="offset points", fontsize=9,
            )  # fmt: skip
    _scale(axes, device, _top(device))
    _legend(axes, device)


def _legend(axes: "Axes", device: DeviceLanes) -> None:
    """Explain colours above the axes, where no point can lie."""
    from matplotlib.collections import PathCollection
    from matplotlib.patches import Patch

    handles, _ = axes.get_legend_handles_labels()
    if any(span.throttled for span in device.spans()):
        handles.append(Patch(color=WARNING, label="throttled round"))
    legend = axes.legend(
        handles=handles, loc="lower left", bbox_to_anchor=(-0.02, 1.0), handletextpad=0.4
    )
    for handle in legend.legend_handles:
        if isinstance(handle, PathCollection):
            handle.set_sizes([40])
            handle.set_alpha(1)


def _label(lane: Lane) -> str:
    result = lane.result
    middle = f"{result.summary.median_ms:.2f} ms" if result.summary else "no latency"
    verdict = "" if result.verdict == "stable" else f" [{result.verdict}]"
    rounds = f" ({result.summary.of})" if result.summary and not lane.told else ""
    return f"{result.label}: {middle}{rounds}{verdict}"


def _top(device: DeviceLanes) -> float:
    """Return where the axis ends, in ms: single slow inferences stand at the edge instead."""
    highs = []
    for lane in device.lanes:
        ordered = sorted(point.ms for point in lane.points)
        high = ordered[int(0.97 * (len(ordered) - 1))]
        longest = max(one.max_ms for one in lane.result.rounds)
        highs.append(high if lane.told else max(ordered[-1], min(longest, 1.3 * high)))
    return max(highs) * 1.06


def _scale(axes: "Axes", device: DeviceLanes, top: float) -> None:
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    low = min(one.min_ms for lane in device.lanes for one in lane.result.rounds)
    middles = [statistics.median([p.ms for p in lane.points]) for lane in device.lanes]
    if low > 0 and max(middles) > WIDE * min(middles):
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 5, 7)))
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_ylim(low * 0.97, top)
    axes.set_ylabel("inference (ms)")


def _panels(device: DeviceLanes) -> list[DrawTimes]:
    readings = device.readings()
    found: list[DrawTimes] = []
    if any(one.khz is not None or one.limit_khz is not None for one in readings):
        found.append(_clock)
    if any(one.celsius is not None for one in readings):
        found.append(_heat)
    return found


def _clock(axes: "Axes", device: DeviceLanes) -> None:
    seen = device.readings()
    ghz = [(one.at_s, None if one.khz is None else one.khz / 1e6) for one in seen]
    limits = [(one.at_s, None if one.limit_khz is None else one.limit_khz / 1e6) for one in seen]
    axes.plot(*broken_line(limits), color=colour(1), lw=1.4, ls="--", label="limit")
    axes.plot(*broken_line(ghz), color=INK, lw=1.2, drawstyle="steps-post", label="clock")
    axes.set_ylabel("core (GHz)")
    highest = max(y for _, y in (*ghz, *limits) if y is not None)
    axes.set_ylim(0, highest * 1.15)
    axes.legend(loc="lower right", ncols=2, fontsize=8, borderaxespad=0.1)


def _heat(axes: "Axes", device: DeviceLanes) -> None:
    axes.plot(
        *broken_line((one.at_s, one.celsius) for one in device.readings()), color=colour(1), lw=1.4
    )
    axes.set_ylabel("CPU (°C)")
    axes.margins(y=0.15)


def _reasons(axes: "Axes", device: DeviceLanes) -> None:
    """Write down why numbers are not stable."""
    axes.axis("off")
    lines: list[str] = []
    for lane in device.lanes:
        lines += [f"{lane.result.model}: {lane.result.verdict}"] if lane.result.reasons else []
        for reason in lane.result.reasons:
            lines += wrap(reason, REASON_LETTERS, initial_indent="  ", subsequent_indent="    ")
    if len(lines) > REASON_LINES:
        lines = [*lines[: REASON_LINES - 1], "  and more, see the record"]
    axes.text(0, 1, "\n".join(lines), va="top", fontsize=8, linespacing=1.25)


def _rounds(axes: "Axes", device: DeviceLanes) -> None:
    count = max(len(lane.result.rounds) for lane in device.lanes)
    step = 0.8 / len(device.lanes)
    for index, lane in enumerate(device.lanes):
        offset = (index - (len(device.lanes) - 1) / 2) * step
        places = [number + offset for number in range(1, len(lane.result.rounds) + 1)]
        if count > MANY_ROUNDS or not lane.told:
            _ranges(axes, places, lane.result.rounds, index)
        else:
            _boxes(axes, places, lane, (index, step * 0.8))
    axes.set_title("round by round", weight="normal", color=FAINT, fontsize=10)
    stride = -(-count // MANY_ROUNDS)
    axes.set_xticks(range(1, count + 1, stride), [str(n) for n in range(1, count + 1, stride)])
    axes.set_xlim(0.4, count + 0.6)


def _boxes(axes: "Axes", places: Sequence[float], lane: Lane, look: tuple[int, float]) -> None:
    index, width = look
    drawn = axes.boxplot(
        [list(one.samples_ms) for one in lane.result.rounds], positions=places,
        widths=width,
        whis=(0, 100), patch_artist=True, manage_ticks=False,
    )  # fmt: skip
    for box in drawn["boxes"]:
        box.set(facecolor=colour(index), edgecolor=colour(index), alpha=0.65)
    for line in (*drawn["whiskers"], *drawn["caps"]):
        line.set(color=colour(index))
    for line in drawn["medians"]:
        line.set(color="black", linewidth=1.2)


def _ranges(axes: "Axes", places: Sequence[float], rounds: Sequence[Round], index: int) -> None:
    middles = [one.centre_ms for one in rounds]
    lows = [middle - one.min_ms for middle, one in zip(middles, rounds, strict=True)]
    highs = [one.max_ms - middle for middle, one in zip(middles, rounds, strict=True)]
    joined = len(places) > MANY_ROUNDS and all(b > a for a, b in pairwise(places))
    axes.errorbar(
        places, middles, yerr=(lows, highs), fmt=mark(index), color=colour(index), ms=5,
        elinewidth=1, lw=1.5, ls="-" if joined else "",
    )  # fmt: skip
