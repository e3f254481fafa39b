"""What has been done of each row of the paper's tables: README's status table."""

from collections.abc import Iterator, Sequence

from topformer_cli.api.reporting.gathering import Evaluated, Found
from topformer_cli.api.reporting.placing import evaluations_of
from topformer_cli.report.overview.sheet import Sheet
from topformer_cli.results.paper_table import NOT_RUN, PaperTable

COLUMNS = ("table", "row", "status")
NOTES = (
    "counted: parameters and multiply-adds, as far as the table has them.",
    "weights evaluated: a foreign weights file, trained here: a run of topformer's own, each only "
    "where its score may be held against a published one.",
)


def standing(tables: Sequence[PaperTable], found: Found) -> Sheet:
    """Return a row for each row of the tables; those of a table that are not here share one."""
    rows = tuple(row for table in tables for row in _rows(table, found))
    return Sheet("status", "Status: what has been done of each row", COLUMNS, rows, notes=NOTES)


def _rows(table: PaperTable, found: Found) -> Iterator[tuple[str, str, str]]:
    number = str(table.printed.number)
    untouched = []
    for row, cells in zip(table.printed.rows, table.cells, strict=True):
        states = ["counted"] if any(cell.here is not None for cell in cells) else []
        states += dict.fromkeys(map(_state, _comparable(evaluations_of(table, row, found))))
        if states:
            yield (number, row.label, ", ".join(states))
        else:
            untouched.append(row.label)
    if untouched:
        yield (number, "; ".join(untouched), NOT_RUN)


def _comparable(evaluated: Sequence[Evaluated]) -> list[Evaluated]:
    return [one for one in evaluated if one.kept.comparison and one.kept.comparison.comparable]


def _state(one: Evaluated) -> str:
    return "trained here" if one.run else "weights evaluated"
