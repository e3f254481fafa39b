"""The tables of times by operator that Google's programs called `benchmark_model` print.

Source: openxla/xla, xla/tsl/util/stats_calculator.cc (the interpreter's program, older ones with a
column [start]), google-ai-edge/LiteRT at v2.2.0, tflite/profiling/profile_summary_formatter.cc and
litert/runtime/profiler_summarizer.cc.
"""

import re
from dataclasses import dataclass
from typing import Final

from topformer_cli.bench.formats.benchmark_log import delegations
from topformer_cli.bench.station import ShellResult
from topformer_cli.results import LayerTime

_TITLE: Final = re.compile(r"=+ (.+?) =+\s*$")
_RUN_ORDER: Final = "Run Order"
_ROW: Final = re.compile(
    r"\s*(?P<type>\S.{0,400}?)\s+(?:\d+\.\d{3}\s+)?\d+\.\d{3}\s+(?P<ms>\d{1,12}\.\d{3})"
    r"\s+[-\w.]+%\s+[-\w.]+%\s+-?\d+\.\d{3}\s+\d+\s+(?P<name>\S.*)"
)
_INNER: Final = "Delegate/"


@dataclass(frozen=True, slots=True)
class _Row:
    layer: LayerTime
    inner: bool
    """Whether it lies within the node of a delegate."""


def parse_layers(done: ShellResult) -> tuple[LayerTime, ...]:
    """Return mean times in the order of the network, nothing where no table was printed.

    Where a delegate tells its own operators, they take the place of its node.
    """
    rows = _rows(done)
    if not any(row.inner for row in rows):
        return tuple(row.layer for row in rows)
    names = {one.name for one in delegations(done)}
    return tuple(row.layer for row in rows if row.inner or not _is_delegate(row.layer.type, names))


def _rows(done: ShellResult) -> list[_Row]:
    rows: list[_Row] = []
    inside = preparing = internal = False
    for line in f"{done.stdout}\n{done.stderr}".splitlines():
        if "Profiling Info for" in line:
            preparing = "Benchmark Initialization" in line
            inside = internal = False
        elif "Delegate internal:" in line:
            internal = True
        elif title := _TITLE.search(line):
            inside = title[1] == _RUN_ORDER and not preparing
        elif inside and (match := _ROW.fullmatch(line)):
            rows.append(_row(match, internal=internal))
    return rows


def _row(match: re.Match[str], *, internal: bool) -> _Row:
    kind = match["type"]
    inner = internal or kind.startswith(_INNER)
    name = match["name"].strip()
    return _Row(LayerTime(name, kind.removeprefix(_INNER), float(match["ms"])), inner)


def _is_delegate(kind: str, names: set[str]) -> bool:
    first = kind.partition("/")[0]
    return first in names or "Delegate" in first
