"""A table of the paper with our own figures beside it: what agrees, what differs, and why."""

from collections.abc import Mapping
from dataclasses import dataclass
from string import ascii_lowercase
from typing import Any, Final

NOT_RUN: Final = "not run"
UNKNOWN: Final = "not known why"


@dataclass(frozen=True, slots=True)
class Column:
    """A figure: its key in JSON, its title, and how many decimals the paper prints."""

    key: str
    title: str
    decimals: int

    def text(self, value: float) -> str:
        """Return a figure with the paper's decimals."""
        return f"{value:.{self.decimals}f}"


@dataclass(frozen=True, slots=True)
class PrintedRow:
    """A network as the paper calls it, what it is here (see `ModelSpec.variant`), its figures."""

    network: str
    variant: str
    figures: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class PrintedTable:
    """A table as it is printed; the figures of a row stand in the order of the columns."""

    number: int
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[PrintedRow, ...]


@dataclass(frozen=True, slots=True)
class Cell:
    """The paper's figure and ours; why says why ours differs, or why there is none."""

    column: Column
    paper: float
    here: float | None
    why: str = ""

    @property
    def agrees(self) -> bool:
        """Whether ours is within the rounding of what is printed."""
        return (
            self.here is not None and abs(self.here - self.paper) <= 0.5 / 10**self.column.decimals
        )

    def to_json(self) -> dict[str, Any]:
        """Return the plain record; agrees is null where there is no figure of ours."""
        agrees = None if self.here is None else self.agrees
        return {"paper": self.paper, "here": self.here, "agrees": agrees, "why": self.why}


@dataclass(frozen=True, slots=True)
class PaperTable:
    """A printed table with our figures, by row in the order of the columns, and notes to it."""

    printed: PrintedTable
    cells: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...]

    @property
    def marks(self) -> Mapping[str, str]:
        """Why figures differ -> the letter that stands for it in the table."""
        reasons = [cell.why for row in self.cells for cell in row if _differs(cell)]
        return dict(zip(dict.fromkeys(reasons), ascii_lowercase, strict=False))

    def lines(self) -> list[tuple[str, ...]]:
        """Return two lines a network: the paper's figures, and ours with the letter of a reason."""
        marks = self.marks
        found: list[tuple[str, ...]] = []
        for row, cells in zip(self.printed.rows, self.cells, strict=True):
            found.append((row.network, "paper", *(c.column.text(c.paper) for c in cells)))
            found.append(("", "here", *(_ours(cell, marks) for cell in cells)))
        return found

    def to_json(self) -> dict[str, Any]:
        """Return the plain record."""
        return {
            "table": self.printed.number,
            "caption": self.printed.caption,
            "rows": [
                {
                    "network": row.network,
                    "here": row.variant,
                    **{cell.column.key: cell.to_json() for cell in cells},
                }
                for row, cells in zip(self.printed.rows, self.cells, strict=True)
            ],
            "notes": list(self.notes),
        }


def beside(
    printed: PrintedTable,
    here: Mapping[str, Mapping[str, float]],
    reasons: Mapping[tuple[str, str], str],
    notes: tuple[str, ...],
) -> PaperTable:
    """Put our figures beside a printed table.

    here: variant -> key of a column -> figure. reasons: (variant, key) -> why ours differs.
    """

    def cell(row: PrintedRow, column: Column, paper: float) -> Cell:
        ours = here.get(row.variant, {}).get(column.key)
        if ours is None:
            return Cell(column, paper, None, NOT_RUN)
        one = Cell(column, paper, ours)
        why = "" if one.agrees else reasons.get((row.variant, column.key), UNKNOWN)
        return Cell(column, paper, ours, why)

    cells = tuple(
        tuple(cell(row, *pair) for pair in zip(printed.columns, row.figures, strict=True))
        for row in printed.rows
    )
    return PaperTable(printed, cells, notes)


def _differs(cell: Cell) -> bool:
    return cell.here is not None and not cell.agrees


def _ours(cell: Cell, marks: Mapping[str, str]) -> str:
    if cell.here is None:
        return cell.why
    text = cell.column.text(cell.here)
    return f"{text} {marks[cell.why]}" if _differs(cell) else text
