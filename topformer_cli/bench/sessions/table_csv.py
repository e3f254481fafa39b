"""A session as a table for spreadsheets: one row an inference, or a round without single times."""

import csv
import io
from collections.abc import Iterator
from typing import Final

from topformer_cli.results import BenchResult, BenchSession, Round
from topformer_cli.results.timeline import starts

COLUMNS: Final = (
    "device",
    "serial",
    "model",
    "engine",
    "engine_version",
    "precision",
    "accelerator",
    "threads",
    "core",
    "input",
    "emulated",
    "verdict",
    "round",
    "set_aside",
    "round_throttled",
    "row_is",
    "inference",
    "at_s",
    "ms",
    "forward_ms",
    "iterations",
    "min_ms",
    "max_ms",
    "mean_ms",
)
"""The header; new columns are added at its end. at_s: since the first timed inference of the
result. row_is: `inference`, `round median` or `round mean`, which is what `ms` holds."""


def session_csv(session: BenchSession) -> str:
    """Return the table with its header; lines end as RFC 4180 has them."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for result in session.results:
        writer.writerows(_rows(result))
    return text.getvalue()


def _rows(result: BenchResult) -> Iterator[tuple[object, ...]]:
    head = (
        result.device.name,
        result.device.serial,
        result.model,
        result.engine,
        result.engine_version,
        result.precision,
        result.accelerator,
        result.threads,
        result.core.asked,
        "x".join(str(side) for side in result.input_shape),
        _word(result.emulated),
        result.verdict,
    )
    for aside, rounds in ((False, result.rounds), (True, result.set_aside)):
        for number, (one, start) in enumerate(zip(rounds, starts(rounds), strict=True), 1):
            place = (number, _word(aside), one.throttled)
            for cells in _cells(one, start):
                yield (*head, *place, *cells)


def _cells(one: Round, at_s: float) -> Iterator[tuple[object, ...]]:
    whole = (one.iterations, one.min_ms, one.max_ms, one.mean_ms)
    if not one.samples_ms:
        of = "round mean" if one.median_ms is None else "round median"
        yield (of, None, round(at_s, 6), one.centre_ms, None, *whole)
    for number, ms in enumerate(one.samples_ms):
        forward = one.forward_ms[number] if number < len(one.forward_ms) else None
        yield ("inference", number + 1, round(at_s, 6), ms, forward, *whole)
        at_s += ms / 1000


def _word(value: bool) -> str:
    return "yes" if value else "no"
