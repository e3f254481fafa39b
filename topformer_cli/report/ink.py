"""Colours, marks and sizes that the pictures of measurements share.

The colours are those of Okabe and Ito, which people with any colour vision tell apart; marks tell
the same once more. matplotlib is imported when something is drawn.
"""

import io
import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#444444")
MARKS: Final = ("o", "s", "^", "D", "v", "P", "X")
INK, FAINT, BAND, WARNING = "#333333", "#8a8f98", "#f1f2f4", "#fbe3d6"
DOTS_PER_INCH: Final = 144

Form = Literal["png", "svg"]

_SETTINGS: Final[Mapping[str, Any]] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "topformer",
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "grid.color": "#e3e5e9",
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "legend.fontsize": 9,
}


def colour(index: int) -> str:
    """Return the colour of the index-th thing; after the last they begin again."""
    return COLOURS[index % len(COLOURS)]


def mark(index: int) -> str:
    """Return the mark of the index-th thing."""
    return MARKS[index % len(MARKS)]


def picture(size_in: tuple[float, float], draw: Callable[["Figure"], None], form: Form) -> bytes:
    """Return what `draw` puts on an empty figure of this width and height, as PNG or SVG."""
    import matplotlib as mpl

    logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)
    mpl.use("Agg")
    buffer = io.BytesIO()
    with mpl.rc_context(dict(_SETTINGS)):
        from matplotlib.figure import Figure

        figure = Figure(figsize=size_in, layout="constrained")
        draw(figure)
        metadata = {"Date": None} if form == "svg" else {"Software": None}
        figure.savefig(buffer, format=form, dpi=DOTS_PER_INCH, metadata=metadata)
    return buffer.getvalue()
