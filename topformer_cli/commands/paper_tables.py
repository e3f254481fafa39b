"""How a table of the paper looks on the terminal with our figures in it."""

from typing import TYPE_CHECKING, Final

from topformer_cli import console

if TYPE_CHECKING:
    from topformer_cli.results.paper_table import PaperTable

COUNTS_ONLY: Final = (
    "only what can be counted stands here; `topformer report` puts your runs' scores and latencies "
    "beside the paper's"
)


def show(table: "PaperTable", *, as_json: bool) -> None:
    """Print a table, the reasons for what differs, and notes."""
    if as_json:
        console.result_json(table.to_json())
        return
    printed = table.printed
    title = f"Table {printed.number} of the paper: {printed.caption}"
    columns = ("network", "", *(column.title for column in printed.columns))
    console.table(title, columns, table.lines(), left=(0, 1))
    console.facts([(letter, why) for why, letter in table.marks.items()])
    if printed.star:
        console.facts([("*", printed.star)])
    console.facts([("note", note) for note in (*table.notes, COUNTS_ONLY)])
