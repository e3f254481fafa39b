"""A table of the paper with our own figures beside it: what agrees, what differs, and why."""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from string import ascii_lowercase
from typing import Any, Final

NOT_RUN: Final = "not run"
UNKNOWN: Final = "not known why"
ABSENT: Final = "–"


@dataclass(frozen=True, slots=True)
class Column:
    """A figure: its key in JSON, its title, and how many decimals the paper prints."""

    key: str
    title: str
    decimals: int

    def text(self, value: float | None) -> str:
        """Return a figure with the paper's decimals; a dash for what is not printed."""
        return ABSENT if value is None else f"{value:.{self.decimals}f}"


@dataclass(frozen=True, slots=True)
class PrintedRow:
    """A network as the paper calls it, and its figures; None where it prints a dash.

    variant: what it is here (see `ModelSpec.variant`), empty where it is not here. side: of the
    input, in pixels, in a table that has a network at several; 0 elsewhere. starred: keys of the
    columns whose figures here the table's star is about.
    """

    network: str
    variant: str
    figures: tuple[float | None, ...]
    encoder: str = ""
    side: int = 0
    starred: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Network and encoder as people write them."""
        return f"{self.network} with {self.encoder}" if self.encoder else self.network

    @property
    def label(self) -> str:
        """The name, with the input where the table has several."""
        return f"{self.name}, {self.side}x{self.side}" if self.side else self.name

    @property
    def key(self) -> str:
        """What tells the row from the others that are here."""
        return f"{self.variant}-{self.side}" if self.side else self.variant


@dataclass(frozen=True, slots=True)
class PrintedTable:
    """A table as it is printed; the figures of a row stand in the order of the columns.

    conditions: what the paper says of how it came to them. scores: a data set -> the key of the
    column that holds the score on it. star: what a star at a figure says.
    """

    number: int
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[PrintedRow, ...]
    conditions: str = ""
    scores: Mapping[str, str] = field(default_factory=dict)
    star: str = ""

    def figure(self, row: PrintedRow, key: str) -> float | None:
        """Return a figure of a row by the key of its column."""
        keys = [column.key for column in self.columns]
        return row.figures[keys.index(key)]


@dataclass(frozen=True, slots=True)
class Cell:
    """The paper's figure and ours; why says why ours differs, or why there is none.

    strict is ours without what only the paper's way of counting adds.
    """

    column: Column
    paper: float | None
    here: float | None
    why: str = ""
    strict: float | None = None

    @property
    def agrees(self) -> bool:
        """Whether ours is within the rounding of what is printed."""
        if self.here is None or self.paper is None:
            return False
        return abs(self.here - self.paper) <= 0.5 * 10.0**-self.column.decimals

    @property
    def differs(self) -> bool:
        """Whether there is a figure of ours that is another one."""
        return self.here is not None and not self.agrees

    def to_json(self) -> dict[str, Any]:
        """Return the plain record; agrees is null where there is no figure of ours."""
        agrees = None if self.here is None else self.agrees
        found = {"paper": self.paper, "here": self.here, "agrees": agrees, "why": self.why}
        return found if self.strict is None else {**found, "strict": self.strict}


@dataclass(frozen=True, slots=True)
class PaperTable:
    """A printed table with our figures, by row in the order of the columns, and notes to it."""

    printed: PrintedTable
    cells: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...]

    @property
    def marks(self) -> Mapping[str, str]:
        """Why figures differ -> the letter that stands for it in the table."""
        return lettered(cell.why for row in self.cells for cell in row if cell.differs)

    def lines(self) -> list[tuple[str, ...]]:
        """Return the paper's figures, below them ours with the letter of a reason, and the strict.

        A network that is not here has the first line only.
        """
        marks = self.marks
        found: list[tuple[str, ...]] = []
        for row, cells in zip(self.printed.rows, self.cells, strict=True):
            found.append((row.label, "paper", *(_printed(row, cell) for cell in cells)))
            if row.variant:
                found.append(("", "here", *(_ours(cell, marks) for cell in cells)))
            if any(cell.strict is not None for cell in cells):
                found.append(("", "strict", *(_strict(cell) for cell in cells)))
        return found

    def to_json(self) -> dict[str, Any]:
        """Return the plain record."""
        return {
            "table": self.printed.number,
            "caption": self.printed.caption,
            "rows": [
                {
                    "network": row.label,
                    "here": row.variant or None,
                    **{cell.column.key: cell.to_json() for cell in cells},
                }
                for row, cells in zip(self.printed.rows, self.cells, strict=True)
            ],
            "notes": list(self.notes),
        }


@dataclass(frozen=True, slots=True)
class Count:
    """Figures of a row by key of a column: as the paper counts, and strictly where that differs."""

    here: Mapping[str, float]
    strict: Mapping[str, float] = field(default_factory=dict)


def beside(
    printed: PrintedTable,
    counts: Mapping[str, Count],
    reasons: Mapping[tuple[str, str], str],
    notes: tuple[str, ...],
) -> PaperTable:
    """Put our figures beside a printed table.

    counts: by key of a row. reasons: keys of a row and a column -> why ours differs.
    """

    def cell(row: PrintedRow, column: Column, paper: float | None) -> Cell:
        count = counts.get(row.key, Count({}))
        ours, strict = (each.get(column.key) for each in (count.here, count.strict))
        if ours is None:
            return Cell(column, paper, None, NOT_RUN)
        one = Cell(column, paper, ours, strict=strict)
        return one if one.agrees else replace(one, why=reasons.get((row.key, column.key), UNKNOWN))

    cells = tuple(
        tuple(cell(row, *pair) for pair in zip(printed.columns, row.figures, strict=True))
        for row in printed.rows
    )
    return PaperTable(printed, cells, notes)


def lettered(reasons: Iterable[str]) -> Mapping[str, str]:
    """Give each reason a letter, in their order: a to z, then aa and on."""
    return dict(zip(dict.fromkeys(reasons), _letters(), strict=False))


def _letters() -> Iterator[str]:
    for length in itertools.count(1):
        yield from map("".join, itertools.product(ascii_lowercase, repeat=length))


def _printed(row: PrintedRow, cell: Cell) -> str:
    return f"{cell.column.text(cell.paper)}{' *' if cell.column.key in row.starred else ''}"


def _ours(cell: Cell, marks: Mapping[str, str]) -> str:
    if cell.here is None:
        return cell.why
    text = cell.column.text(cell.here)
    return f"{text} {marks[cell.why]}" if cell.differs else text


def _strict(cell: Cell) -> str:
    return "" if cell.strict is None else cell.column.text(cell.strict)
