"""The paper's tables with our own figures; a new one is a module here and a line in TABLES."""

from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Final

from topformer_cli.api.paper_tables import ablations, detectors, segmenters
from topformer_cli.errors import UsageError
from topformer_cli.results.paper_table import PaperTable
from topformer_cli.results.printed_ablations import ABLATIONS

TABLES: Final[Mapping[int, Callable[[], PaperTable]]] = {
    1: segmenters.table_1,
    **{number: partial(ablations.table, number) for number in ABLATIONS},
    9: segmenters.table_9,
    10: segmenters.table_10,
    11: detectors.table,
}
"""The number of a table -> the function that fills it."""


@cache
def paper_table(number: int) -> PaperTable:
    """Fill a table of the paper, once in a process.

    Raises:
        UsageError: there is nothing of ours for a table of that number.
    """
    if number not in TABLES:
        known = ", ".join(map(str, TABLES))
        message = f"--table {number}: nothing is counted for it here; there is: {known}"
        raise UsageError(message)
    return TABLES[number]()
