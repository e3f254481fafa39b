"""The confusion matrix as a PNG picture: shares of each class's pixels, and the largest mistakes.

Everything is placed by hand, in inches: names are as large as a cell lets them be, and the list
grows with the matrix, so that a picture of 171 classes is read like one of two.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from topformer_cli.report.ink import FAINT, INK, picture
from topformer_cli.results.confusion import Mistake, mistakes, predicted_names
from topformer_cli.results.segmentation import ScoredMaps

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_MISTAKES: Final = 24
LONGEST_NAME: Final = 24
_MAP_IN: Final = 6.5
_CELLS_IN: Final = (0.11, 0.75)
_NUMBERED_IN: Final = 0.38
"""The smallest and the largest side of a cell, and from which side on it holds its number."""
_LINE: Final = 1.55
"""Height of a line of the list, in letters."""
_UNLABELLED: Final = "#ececec"


@dataclass(frozen=True, slots=True)
class _Matrix:
    """What is drawn: shares [rows, columns] of each label's pixels, NaN where it has none."""

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    shares: NDArray[np.float64]
    absent: int
    mistakes: tuple[Mistake, ...]


@dataclass(frozen=True, slots=True)
class _Layout:
    """Sides in inches, and sizes of letters in points."""

    cell: float
    names: float
    map_size: tuple[float, float]
    head: float
    list_width: float
    letters: float
    list_letters: float

    @property
    def size(self) -> tuple[float, float]:
        """Width and height of the whole picture."""
        width, height = self.map_size
        return self.names + width + self.list_width, self.head + max(height + self.names, 3.0)


def confusion_picture(found: ScoredMaps, title: str) -> bytes:
    """Draw which share of each class's pixels is taken for which class, as PNG.

    Classes that occur neither in labels nor in predictions are left out.
    """
    matrix = _matrix(found)
    layout = _layout(matrix)

    def draw(figure: "Figure") -> None:
        figure.set_layout_engine("none")
        _head(figure, layout, title, matrix)
        if matrix.rows:
            _map(figure, layout, matrix)
            _list(figure, layout, matrix.mistakes)

    return picture(layout.size, draw, "png")


def _matrix(found: ScoredMaps) -> _Matrix:
    counts = np.array(found.found.confusion, np.int64).reshape(len(found.classes), -1)
    names = predicted_names(found.classes, found.found.confusion)
    occurs = counts.any(axis=1) | counts[:, : len(found.classes)].any(axis=0)
    rows = np.flatnonzero(occurs)
    columns = [*rows.tolist(), *range(len(found.classes), len(names))]
    with np.errstate(invalid="ignore"):
        shares = counts / counts.sum(axis=1, keepdims=True)
    return _Matrix(
        rows=tuple(_short(found.classes[row]) for row in rows),
        columns=tuple(_short(names[column]) for column in columns),
        shares=shares[np.ix_(rows, columns)],
        absent=len(found.classes) - len(rows),
        mistakes=mistakes(found, MOST_MISTAKES),
    )


def _short(name: str) -> str:
    name = " ".join(name.split())
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"


def _layout(matrix: _Matrix) -> _Layout:
    smallest, largest = _CELLS_IN
    cell = min(max(_MAP_IN / max(len(matrix.columns), 1), smallest), largest)
    letters = min(9.0, 0.75 * 72 * cell)
    longest = max(map(len, (*matrix.rows, *matrix.columns)), default=0)
    height = cell * len(matrix.rows)
    list_letters = 9.0 * max(1.0, height / 9)
    longest_mistake = max((len(_arrow(one)) for one in matrix.mistakes), default=0)
    return _Layout(
        cell=cell,
        names=0.35 + 0.62 * letters / 72 * longest,
        map_size=(cell * len(matrix.columns), height),
        head=0.075 * list_letters,
        list_width=max(0.25 + 0.0085 * longest_mistake, 0.45) * list_letters,
        letters=letters,
        list_letters=list_letters,
    )


def _head(figure: "Figure", layout: _Layout, title: str, matrix: _Matrix) -> None:
    width, height = layout.size
    size = layout.list_letters
    what = "rows: labelled as; columns: predicted as; a row adds up to 100 %, grey: never labelled"
    if matrix.absent:
        what += f"; {matrix.absent} of the classes do not occur and are left out"
    if not matrix.rows:
        what = "there is nothing to draw"
    for text, line, weight, colour in ((title, 0.4, "bold", INK), (what, 2.0, "normal", FAINT)):
        below = line * size / 72 + 0.05
        figure.text(
            0.12 / width, 1 - below / height, text, va="top", size=size, weight=weight, color=colour
        )


def _map(figure: "Figure", layout: _Layout, matrix: _Matrix) -> None:
    from matplotlib import colormaps
    from matplotlib.colors import PowerNorm

    axes = _axes(figure, layout, (layout.names, layout.head), layout.map_size)
    colours = colormaps["Blues"].with_extremes(bad=_UNLABELLED)
    # By its square root, a mistake of some percent is seen beside a diagonal of ninety.
    shown = np.ma.masked_invalid(matrix.shares)
    axes.imshow(shown, cmap=colours, norm=PowerNorm(0.5, 0, 1), aspect="auto")
    for names, set_ticks, turned in (
        (matrix.rows, axes.set_yticks, 0),
        (matrix.columns, axes.set_xticks, 90),
    ):
        set_ticks(range(len(names)), names, size=layout.letters, rotation=turned)
    axes.tick_params(length=0)
    axes.grid(visible=False)
    axes.set_xticks(np.arange(len(matrix.columns) + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(len(matrix.rows) + 1) - 0.5, minor=True)
    axes.grid(visible=True, which="minor", axis="both", color="#e3e5e9", linewidth=0.4)
    axes.tick_params(which="minor", length=0)
    if layout.cell >= _NUMBERED_IN:
        _numbers(axes, matrix.shares)


def _numbers(axes: "Axes", shares: NDArray[np.float64]) -> None:
    for (row, column), share in np.ndenumerate(shares):
        if share >= 0.005:
            colour = "white" if share > 0.4 else INK
            axes.text(
                column, row, f"{100 * share:.0f}", ha="center", va="center", size=8, color=colour
            )


def _list(figure: "Figure", layout: _Layout, found: tuple[Mistake, ...]) -> None:
    size = layout.list_letters
    height = layout.size[1] - layout.head - 0.1
    place = (layout.names + layout.map_size[0] + 0.045 * size, layout.head)
    axes = _axes(figure, layout, place, (layout.list_width - 0.06 * size, height))
    axes.axis("off")
    line = _LINE * size / 72 / height
    fitting = found[: int(1 / line) - 1]
    heads = (
        ("largest confusions", "of class", "of all") if found else ("no pixel is confused", "", "")
    )
    rows = [heads, *((_arrow(one), _share(one.of_class), _share(one.of_all)) for one in fitting)]
    for number, cells in enumerate(rows):
        for text, right in zip(cells, (None, 0.83, 1.0), strict=True):
            axes.text(
                right or 0.0,
                1 - number * line,
                text,
                ha="right" if right else "left",
                va="top",
                size=size * (0.9 if number else 1),
                weight="normal" if number else "bold",
                color=INK,
            )


def _arrow(one: Mistake) -> str:
    return f"{_short(one.label)} → {_short(one.predicted)}"


def _share(value: float) -> str:
    return f"{value:.1f} %" if value >= 0.05 else "<0.1 %"


def _axes(
    figure: "Figure", layout: _Layout, place: tuple[float, float], size: tuple[float, float]
) -> "Axes":
    """Add axes at a place from the left and from the top, all in inches."""
    width, height = layout.size
    left, top = place
    return figure.add_axes(
        (left / width, 1 - (top + size[1]) / height, size[0] / width, size[1] / height)
    )
