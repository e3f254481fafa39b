"""Put evaluations and measurements between the rows of the paper's tables."""

from collections.abc import Iterator, Mapping
from typing import Final

from topformer_cli.api.paper_tables import paper_table
from topformer_cli.api.reporting.gathering import Evaluated, Found, Measured
from topformer_cli.bench.sessions.history import Entry
from topformer_cli.bench.sessions.paper import about_latency, paper_row
from topformer_cli.models.baselines.table import BASELINES
from topformer_cli.models.spec import BACKBONES, SIZES
from topformer_cli.report.overview.records import Figure, Line, ReportTable, Whose
from topformer_cli.results.comparison import Comparison
from topformer_cli.results.paper_table import Cell, PaperTable, PrintedRow
from topformer_cli.results.printed import PRINTED

LATENCY: Final = "latency_ms"
VARIANTS: Final[Mapping[str, str]] = {
    **{f"{kind}TopFormer-{size}": size for size in SIZES for kind in ("", "RetinaNet with ")},
    **{row.name: key for key, row in BASELINES.items()},
    **{f"RetinaNet with {name}": key for key, name in BACKBONES.items() if key != "topformer"},
}
"""What a network is called in records (see `ModelSpec.network`) -> its variant."""


def counted_tables() -> tuple[PaperTable, ...]:
    """Count the networks of the tables that compare networks."""
    return tuple(map(paper_table, PRINTED))


def filled(table: PaperTable, found: Found) -> ReportTable:
    """Return a table of the paper with a line for each thing that was found for its rows."""
    printed = table.printed
    lines = [
        line
        for row, cells in zip(printed.rows, table.cells, strict=True)
        for line in _lines(table, row, cells, found)
    ]
    return ReportTable(
        number=printed.number,
        caption=printed.caption,
        columns=tuple(column.title for column in printed.columns),
        lines=tuple(lines),
        conditions=printed.conditions,
        notes=(*table.notes, *_not_placed(table, found)),
    )


def _not_placed(table: PaperTable, found: Found) -> Iterator[str]:
    """Name the evaluations of the table's networks that have no score, or not of all images."""
    for one in found.evaluations:
        if one.kept.flaws and any(_belongs(one, table, row) for row in table.printed.rows):
            yield f"not in this table: {one.where}, {'; '.join(one.kept.flaws)}"


def _lines(
    table: PaperTable, row: PrintedRow, cells: tuple[Cell, ...], found: Found
) -> Iterator[Line]:
    quoted = tuple(
        Figure(
            cell.column.text(cell.paper),
            table.printed.star if cell.column.key in row.starred else "",
        )
        for cell in cells
    )
    yield Line(row.label, "quoted", quoted, table.printed.conditions)
    if any(cell.here is not None for cell in cells):
        yield Line(row.label, "counted", tuple(map(_counted, cells)), "; ".join(table.notes))
    for one in evaluations_of(table, row, found):
        key = table.printed.scores[one.kept.dataset]
        assert one.kept.headline is not None
        figure = Figure(f"{one.kept.headline.value:.2f}", _against(one, table.printed.number))
        yield _single(row, cells, (key, figure), ("evaluated", one.kept.conditions, one.where))
    if any(cell.column.key == LATENCY for cell in cells):
        for measured in _latencies(row, found):
            yield _latency(row, cells, measured, found)


def _counted(cell: Cell) -> Figure | None:
    if cell.here is None:
        return None
    return Figure(cell.column.text(cell.here), cell.why if cell.differs else "")


def _single(
    row: PrintedRow,
    cells: tuple[Cell, ...],
    placed: tuple[str, Figure],
    origin: tuple[Whose, str, str],
) -> Line:
    key, figure = placed
    whose, conditions, where = origin
    figures = tuple(figure if cell.column.key == key else None for cell in cells)
    return Line(row.label, whose, figures, conditions, where)


def evaluations_of(table: PaperTable, row: PrintedRow, found: Found) -> list[Evaluated]:
    """Return the evaluations of a row's network on a set of the table, but for flawed ones."""
    return [one for one in found.evaluations if not one.kept.flaws and _belongs(one, table, row)]


def _belongs(one: Evaluated, table: PaperTable, row: PrintedRow) -> bool:
    return (
        one.kept.dataset in table.printed.scores
        and not one.kept.of_file
        and bool(row.variant)
        and VARIANTS.get(one.kept.model) == row.variant
        and row.side in (0, _side(one.kept.comparison))
    )


def _side(comparison: Comparison | None) -> int:
    """Return the input that the run was compared as: Table 1 has tiny at two."""
    if comparison is None:
        return 512
    sources = [*(one.source for one in comparison.beside), comparison.nearest]
    return 448 if any(source.endswith(" at 448") for source in sources) else 512


def _against(one: Evaluated, number: int) -> str:
    """Say why a score may not be held against a table's; nothing where it may."""
    comparison = one.kept.comparison
    if comparison is None:
        return "not comparable: the record does not say what it may be held against"
    place = f"paper Table {number}"
    if any(f"{other.source} ".startswith(f"{place} ") for other in comparison.beside):
        return ""
    if comparison.comparable:
        return f"not comparable with the paper's figure, but: {comparison.line()}"
    return comparison.line()


def _latencies(row: PrintedRow, found: Found) -> list[Measured]:
    """Return the latencies of a row's network, of those under the same conditions the last."""
    last: dict[tuple[object, ...], Measured] = {}
    for one in sorted(found.measured, key=lambda one: one.result.started):
        entry = Entry.of(one.result)
        # An emulated time is no latency.
        if entry is None or one.result.emulated:
            continue
        if paper_row(one.result.card, one.result.input_shape) is row:
            last[entry.model, entry.device_id, entry.conditions] = one
    return list(last.values())


def _latency(row: PrintedRow, cells: tuple[Cell, ...], measured: Measured, found: Found) -> Line:
    result = measured.result
    assert result.summary is not None
    departs = about_latency(result)
    why = f"not comparable: {'; '.join(departs)}" if departs else ""
    run = found.run_of(result)
    weights = f"exported from {run}" if run else "whose weights they are is not known"
    told = (result.conditions, result.doubt, weights, result.started)
    conditions = f"{result.headline()}: {'; '.join(word for word in told if word)}"
    figure = Figure(f"{result.summary.median_ms:.2f}", why)
    return _single(row, cells, (LATENCY, figure), ("measured", conditions, str(measured.path)))
