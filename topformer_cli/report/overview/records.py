"""What the report of many runs is made from, as plain values."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from topformer_cli.report.overview.sheet import Sheet
from topformer_cli.report.records import Curves
from topformer_cli.results.paper_table import ABSENT, lettered

Whose = Literal["quoted", "counted", "evaluated", "measured"]

WHOSE: Final[Mapping[Whose, str]] = {
    "quoted": "quoted from the paper",
    "counted": "counted here",
    "evaluated": "evaluated here",
    "measured": "measured here",
}


@dataclass(frozen=True, slots=True)
class Figure:
    """A number as text; why says why it may not be held against the paper's, or differs from it."""

    text: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """The figures of one origin for a network, in the order of the columns, and their conditions.

    where: the run or the record that they are from, empty for what is quoted or counted.
    """

    network: str
    whose: Whose
    figures: tuple[Figure | None, ...]
    conditions: str
    where: str = ""

    @property
    def told(self) -> str:
        """Where it is from and its conditions; nothing where the table tells them once for all."""
        return f"{self.where}: {self.conditions}" if self.where else ""

    @property
    def why(self) -> str:
        """Why figures of this line may not be held against the paper's, or differ."""
        return " | ".join(dict.fromkeys(one.why for one in self.figures if one and one.why))


@dataclass(frozen=True, slots=True)
class ReportTable:
    """A table of the paper with lines of ours between its rows."""

    number: int
    caption: str
    columns: tuple[str, ...]
    lines: tuple[Line, ...]
    conditions: str
    notes: tuple[str, ...]

    @property
    def marks(self) -> Mapping[str, str]:
        """Why figures may not be held against the paper's -> the letter that stands for it."""
        return lettered(
            one.why for line in self.lines for one in line.figures if one is not None and one.why
        )

    def sheet(self) -> Sheet:
        """Return the table for people: letters beside figures, with the reasons below.

        What holds for all that is quoted or counted is told once, below.
        """
        marks = self.marks
        told = ("conditions",) if any(line.told for line in self.lines) else ()
        rows = tuple(
            (
                line.network,
                WHOSE[line.whose],
                *(_marked(one, marks) for one in line.figures),
                *(line.told for _ in told),
            )
            for line in self.lines
        )
        notes = (f"quoted from the paper: {self.conditions}", *self.notes)
        return Sheet(
            name=f"table-{self.number}",
            title=f"Table {self.number} of the paper: {self.caption}",
            columns=("network", "whose", *self.columns, *told),
            rows=rows,
            footnotes=tuple((letter, why) for why, letter in marks.items()),
            notes=notes,
            quoted=frozenset(
                index for index, line in enumerate(self.lines) if line.whose == "quoted"
            ),
        )

    def plain(self) -> Sheet:
        """Return the table for spreadsheets: bare figures, each line with all that belongs to it.

        The column `not as the paper's` says why a figure may not be held against the quoted one.
        """
        rows = tuple(
            (
                line.network,
                WHOSE[line.whose],
                line.where,
                *("" if one is None or one.text == ABSENT else one.text for one in line.figures),
                line.why,
                line.conditions,
            )
            for line in self.lines
        )
        columns = (
            "network", "whose", "from", *self.columns, "not as the paper's", "conditions",
        )  # fmt: skip
        return Sheet(f"table-{self.number}", self.caption, columns, rows)


def _marked(figure: Figure | None, marks: Mapping[str, str]) -> str:
    if figure is None:
        return ""
    return f"{figure.text} {marks[figure.why]}" if figure.why else figure.text


@dataclass(frozen=True, slots=True)
class Point:
    """One network in a scatter: x is a latency in ms or a ratio of two, area tells mparams.

    told: how mIoU and latency were measured.
    """

    name: str
    x: float
    miou: float
    mparams: float
    whose: Literal["quoted", "here"]
    told: str
    stable: bool = True


@dataclass(frozen=True, slots=True)
class Panel:
    """Points on one pair of axes: of one device and engine, or all of them ratios."""

    title: str
    x_label: str
    y_label: str
    points: tuple[Point, ...]

    @property
    def told(self) -> tuple[str, ...]:
        """How the points were measured: a line for the paper's, one for each of ours."""
        return tuple(
            dict.fromkeys(
                f"{'the paper' if point.whose == 'quoted' else point.name}: {point.told}"
                for point in self.points
            )
        )


@dataclass(frozen=True, slots=True)
class PartShare:
    """What a part of a network has of its parameters and of its multiply-adds."""

    network: str
    part: str
    parameters: int
    multiply_adds: int


@dataclass(frozen=True, slots=True)
class RunCurves:
    """The curves of a run; headline is the name of its score."""

    run: str
    headline: str
    curves: Curves


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """Everything in the report.

    sources: where it was looked. problems: what was left out, and why. others: the sheets that are
    no tables of the paper. undrawn: what figure 1 leaves out, and why.
    """

    created: str
    version: str
    sources: tuple[str, ...]
    runs: int
    evaluations: int
    measurements: int
    on_phones: int
    exports: int
    problems: tuple[str, ...]
    tables: tuple[ReportTable, ...]
    panels: tuple[Panel, ...]
    undrawn: tuple[str, ...]
    shares: tuple[PartShare, ...]
    shares_notes: tuple[str, ...]
    others: tuple[Sheet, ...]
    curves: tuple[RunCurves, ...]
    curves_left_out: int

    @property
    def gathered(self) -> str:
        """What was gathered, in words."""
        counts = (
            (self.runs, "run"), (self.evaluations, "evaluation"),
            (self.measurements, "measurement"), (self.exports, "export"),
        )  # fmt: skip
        return ", ".join(f"{count} {word}{'s' * (count != 1)}" for count, word in counts)

    @property
    def sheets(self) -> tuple[Sheet, ...]:
        """All tables as they go into spreadsheets."""
        return (*(table.plain() for table in self.tables), *self.others)
