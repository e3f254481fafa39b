"""What Google's two programs called `benchmark_model` print alike.

Source: google-ai-edge/LiteRT at v2.2.0, tflite/tools/benchmark/benchmark_model.cc, which both are
built on, tflite/core/subgraph.cc and tflite/minimal_logging_android.cc for the delegates, and
openxla/xla, xla/tsl/util/stats_calculator.h for the lines of figures. Figures go to stdout,
errors and what delegates say to stderr; figures are in microseconds.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from topformer_cli.bench.formats.words import plain
from topformer_cli.bench.plan import Call
from topformer_cli.bench.station import ShellResult
from topformer_cli.errors import DeviceError, MeasurementError
from topformer_cli.results import Round

LONGEST_S: Final = 86_400
"""`--max_secs`: nothing but the caller's own deadline may cut a row of inferences short."""

_FIGURES: Final = re.compile(r"^(?:INFO: )?count=(\d{1,12})\b(.*)$", re.MULTILINE)
_PAIR: Final = re.compile(r"\b(\w+)=([-+.\w]+)")
_LOADED: Final = re.compile(r"^(?:INFO: )?Initialized session in ([-+.\w]+)ms", re.MULTILINE)
_PEAK: Final = re.compile(
    r"(?:Overall peak memory footprint \(MB\) via periodic monitoring|Peak memory): +([\d.]{1,20})"
)
_FOOTPRINT: Final = re.compile(
    r"(?:Memory footprint delta from the start of the tool \(MB\): init=\S+ overall=|"
    r"Overall footprint: +)([\d.]{1,20})"
)
_UNKNOWN: Final = re.compile(r"Unconsumed cmdline flags: (.*)")
_ERROR: Final = re.compile(r"^(?:ERROR|FATAL): (.*)$", re.MULTILINE)
_REPLACING: Final = re.compile(
    r"Replacing (\d{1,9})(?: out of (\d{1,9}))? node\(s\) with delegate \(([^)]*)\) node, "
    r"yielding (\d{1,9}) partitions"
)
_APPLIED: Final = re.compile(
    r"Explicitly applied (\S+) delegate, and the model graph will be (completely|partially) "
    r"executed"
)
_CPU: Final = re.compile("XNNPack|YNNPack", re.IGNORECASE)
_NO_REASON: Final = "Benchmarking failed."
_ROUNDING: Final = 1e-5
"""Means are printed with six digits."""

_SHOWN_LINES: Final = 20


@dataclass(frozen=True, slots=True)
class Figures:
    """One line of figures; times in ms, median and outer percentiles only from newer programs."""

    count: int
    first: float
    low: float
    high: float
    mean: float
    median: float | None
    p5: float | None
    p95: float | None


@dataclass(frozen=True, slots=True)
class Delegation:
    """What a delegate took over; operators and how many remain are None where it is not said."""

    name: str
    delegated: int | None = None
    operators: int | None = None
    partitions: int | None = None
    whole: bool = False

    @property
    def on_cpu(self) -> bool:
        """Whether it is one of the processor's own."""
        return _CPU.search(self.name) is not None


def parse_round(done: ShellResult, call: Call) -> Round:
    """Return what one process measured.

    Raises:
        MeasurementError: it failed, did not do all that it was asked for, or printed no times.
        DeviceError: the phone cannot start it.
    """
    _require_success(done)
    rows = figures(done)
    if len(rows) < 2:  # one of the warm-up, one of what counts
        message = f"benchmark_model ended without its figures; it printed: {_shown(done)}"
        raise MeasurementError(message)
    warm, row = rows[-2:]
    if row.count < max(call.iterations, 1):
        message = f"benchmark_model stopped after {row.count} of {call.iterations} inferences"
        raise MeasurementError(message)
    _require_order(row)
    if call.accelerator == "gpu":
        _require_accelerator(done)
    text = _text(done)
    loaded = _LOADED.search(text)
    return Round(
        iterations=row.count,
        min_ms=row.low,
        max_ms=row.high,
        mean_ms=row.mean,
        median_ms=row.median,
        load_ms=_number(loaded[1]) if loaded else None,
        first_ms=warm.first if warm.count else row.first,
        peak_kb=_kilobytes(_PEAK.search(text)),
    )


def parse_partial(stdout: str) -> Round | None:  # noqa: ARG001
    """Return nothing: the program tells its times at its end."""
    return None


def figures(done: ShellResult) -> list[Figures]:
    """Return the lines of figures in order; a line that is damaged is none."""
    found = (_figures(int(match[1]), match[2]) for match in _FIGURES.finditer(_text(done)))
    return [one for one in found if one is not None]


def delegations(done: ShellResult) -> tuple[Delegation, ...]:
    """Return what delegates took over, in the order in which they were applied."""
    text = _text(done)
    whole = {match[1]: match[2] == "completely" for match in _APPLIED.finditer(text)}
    found = [
        Delegation(
            name=match[3],
            delegated=int(match[1]),
            operators=None if match[2] is None else int(match[2]),
            partitions=int(match[4]),
            whole=match[1] == match[2],
        )
        for match in _REPLACING.finditer(text)
    ]
    return tuple(found or [Delegation(name, whole=all_of_it) for name, all_of_it in whole.items()])


def tells(done: ShellResult) -> Mapping[str, Any]:
    """Return what is said of delegates, memory and spread.

    `delegate`, `delegated`, `operators`, `partitions` are of the first delegate, `fallback` is the
    number of operators that no delegate took, `further` the delegates after the first, and
    `footprint_kb` what the process has grown by since its start.
    """
    told: dict[str, Any] = {}
    taken = delegations(done)
    if taken:
        first = taken[0]
        told = {
            "delegate": first.name,
            "delegated": first.delegated,
            "operators": first.operators,
            "partitions": first.partitions,
            "whole_graph": first.whole,
        }
        if first.operators is not None:
            told["fallback"] = max(first.operators - sum(one.delegated or 0 for one in taken), 0)
        if len(taken) > 1:
            told["further"] = [
                {"delegate": one.name, "delegated": one.delegated} for one in taken[1:]
            ]
    footprint = _kilobytes(_FOOTPRINT.search(_text(done)))
    if footprint is not None:
        told["footprint_kb"] = footprint
    rows = figures(done)
    if rows and rows[-1].p95 is not None:
        told |= {"p5_ms": rows[-1].p5, "p95_ms": rows[-1].p95}
    return told


def protocol_flags(call: Call) -> tuple[str, ...]:
    """Return the arguments that both programs know."""
    return (
        f"--graph={call.model}",
        f"--num_threads={call.threads}",
        f"--warmup_runs={call.warmup}",
        f"--warmup_min_secs={call.warmup_s:g}",
        f"--num_runs={call.iterations}",
        f"--min_secs={call.seconds:g}",
        f"--max_secs={LONGEST_S}",
    )


def _require_success(done: ShellResult) -> None:
    text = _text(done)
    if "CANNOT LINK EXECUTABLE" in text:
        line = next(one for one in text.splitlines() if "CANNOT LINK EXECUTABLE" in one)
        message = f"the phone cannot start benchmark_model: {plain(line)}"
        raise DeviceError(message)
    if done.returncode != 0:
        said = [line for line in _ERROR.findall(text) if line.strip() != _NO_REASON]
        why = plain(said[0]) if said else f"it printed: {_shown(done)}"
        message = f"benchmark_model failed (exit code {done.returncode}): {why or _NO_REASON}"
        raise MeasurementError(message)
    if unknown := _UNKNOWN.search(text):
        message = (
            f"this benchmark_model does not know {plain(unknown[1])}; fetch the version that is "
            "meant with `topformer runner fetch`"
        )
        raise MeasurementError(message)


def _require_order(row: Figures) -> None:
    middle = row.mean if row.median is None else row.median
    slack = row.high * _ROUNDING
    inside = row.low - slack <= row.mean <= row.high + slack and row.low <= middle <= row.high
    if not (inside and row.low >= 0 and math.isfinite(row.high)):
        message = (
            f"benchmark_model printed times that are none: min {row.low} ms, max {row.high} ms, "
            f"mean {row.mean} ms, median {row.median} ms"
        )
        raise MeasurementError(message)


def _require_accelerator(done: ShellResult) -> None:
    taken = [one for one in delegations(done) if not one.on_cpu and one.delegated != 0]
    if not taken:
        message = (
            "the GPU was asked for and no operator went there (benchmark_model falls back to the "
            f"processor without an error); measure with --accelerator cpu; it printed: "
            f"{_shown(done)}"
        )
        raise MeasurementError(message)


def _figures(count: int, rest: str) -> Figures | None:
    values = {name: _number(text) for name, text in _PAIR.findall(rest)}
    same = values.get("curr")
    if "(all same)" in rest or count == 1:
        values = {"first": same, "min": same, "max": same, "avg": same} | values
    if count == 0:
        return Figures(0, 0.0, 0.0, 0.0, 0.0, None, None, None)
    times = [values.get(name) for name in ("first", "min", "max", "avg")]
    first, low, high, mean = (None if one is None else one / 1000 for one in times)
    if first is None or low is None or high is None or mean is None:
        return None
    outer = [values.get(name) for name in ("median", "p5", "p95")]
    median, p5, p95 = (None if one is None else one / 1000 for one in outer)
    return Figures(count, first, low, high, mean, median, p5, p95)


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _kilobytes(megabytes: re.Match[str] | None) -> int | None:
    value = _number(megabytes[1]) if megabytes else None
    return None if value is None else round(value * 1024)


def _text(done: ShellResult) -> str:
    return f"{done.stdout}\n{done.stderr}"


def _shown(done: ShellResult) -> str:
    # Errors come last and on stderr: the end says more than the beginning.
    lines = [plain(line) for line in _text(done).splitlines()]
    return " | ".join([line for line in lines if line][-_SHOWN_LINES:]) or "nothing"
