"""Curves as small SVG pictures that follow the reader's light or dark colour scheme.

matplotlib is imported when something is drawn.
"""

import io
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from topformer_cli.report.records import Curves, Points

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH_IN, HEIGHT_IN = 5.0, 2.9
POINTS_PER_INCH: Final = 72

_INK, _GRID, _LOSS, _HEADLINE = "#010101", "#020202", "#030303", "#040404"
"""Stand-ins, written into the SVG by matplotlib and replaced by variables of its style sheet."""

_SCHEME: Final[Mapping[str, tuple[str, str, str]]] = {
    _INK: ("ink", "#4b5563", "#b6bfcc"),
    _GRID: ("grid", "#e3e7ed", "#333b47"),
    _LOSS: ("loss", "#c2410c", "#fb923c"),
    _HEADLINE: ("headline", "#0f766e", "#2dd4bf"),
}
"""Stand-in -> (name, colour on light, colour on dark)."""

_SETTINGS: Final[Mapping[str, Any]] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "topformer",
    "font.family": "sans-serif",
    "font.size": 12,
    "axes.edgecolor": _GRID,
    "axes.labelcolor": _INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "text.color": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "grid.color": _GRID,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
}


@dataclass(frozen=True, slots=True)
class Plot:
    """An SVG file, its words for those who do not see it, and (width, height) in pixels."""

    svg: bytes
    alt: str
    size: tuple[int, int] = (480, 278)


def loss_plot(curves: Curves) -> Plot:
    """Draw the training loss by step."""
    return Plot(_svg(curves.loss, _LOSS, None), _alt("Training loss", curves.loss, ".3f"))


def headline_plot(curves: Curves, name: str = "mIoU") -> Plot:
    """Draw the validation headline in percent by step."""
    alt = _alt(f"Validation {name} in percent", curves.headline, ".2f")
    return Plot(_svg(curves.headline, _HEADLINE, 100), alt)


def _alt(what: str, points: Points, form: str) -> str:
    if not points:
        return f"{what}: nothing was recorded."
    (first, start), (last, end) = points[0], points[-1]
    return f"{what}: from {start:{form}} at step {first} to {end:{form}} at step {last}."


def _svg(points: Points, colour: str, top: float | None) -> bytes:
    import matplotlib as mpl

    logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)
    mpl.use("Agg")
    buffer = io.BytesIO()
    with mpl.rc_context(dict(_SETTINGS)):
        from matplotlib.figure import Figure

        figure = Figure(figsize=(WIDTH_IN, HEIGHT_IN), layout="constrained")
        _draw(figure.subplots(), points, colour, top)
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    return _with_scheme(buffer.getvalue().decode()).encode()


def _draw(axes: "Axes", points: Points, colour: str, top: float | None) -> None:
    axes.set_xlabel("step")
    axes.grid(axis="y", linewidth=1)
    axes.set_axisbelow(True)
    if not points:
        axes.text(0.5, 0.5, "nothing was recorded", ha="center", transform=axes.transAxes)
        axes.set_xticks([])
        axes.set_yticks([])
        return
    steps, values = [step for step, _ in points], [value for _, value in points]
    marker = "o" if len(points) <= 25 else ""
    axes.plot(
        steps, values, color=colour, linewidth=2.4, marker=marker, markersize=5, clip_on=False
    )
    axes.set_xlim(0, max(steps) * 1.02)
    axes.set_ylim(0, top or max(values) * 1.08 or 1)
    axes.annotate(
        f"{values[-1]:.2f}",
        (steps[-1], values[-1]),
        xytext=(-2, 9),
        textcoords="offset points",
        ha="right",
        color=colour,
        weight="bold",
    )


def _with_scheme(svg: str) -> str:
    """Replace the stand-in colours by variables that follow the colour scheme."""
    light = "".join(f"--{name}:{colour};" for name, colour, _ in _SCHEME.values())
    dark = "".join(f"--{name}:{colour};" for name, _, colour in _SCHEME.values())
    style = f"<style>svg{{{light}}}@media (prefers-color-scheme: dark){{svg{{{dark}}}}}</style>"
    for stand_in, (name, _, _) in _SCHEME.items():
        svg = svg.replace(stand_in, f"var(--{name})")
    return re.sub(r"(<svg[^>]*>)", lambda found: found[1] + style, svg, count=1)
