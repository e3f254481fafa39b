"""TNN's own `TNNTest`: how it is called, and what may be believed of what it prints.

Source: Tencent/TNN at f0cb081, test/test.cc, test/timer.cc, test/flags.cc. Its exit code is the
status modulo 256 and so 0 for several failures; a run counts only when the time line is there,
no error line is, and the output file is whole. It tells min, max and mean of one process, no
single times, so a process is a round.
"""

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from topformer_cli.bench.formats.outputs import fitting
from topformer_cli.bench.formats.words import plain, shown
from topformer_cli.bench.plan import Call
from topformer_cli.bench.protocol import Precision
from topformer_cli.bench.station import ShellResult
from topformer_cli.errors import DataError, MeasurementError
from topformer_cli.predictor import FloatArray
from topformer_cli.results import LayerTime, Round

ENGINE: Final = "TNN"
COVERS: Final = (
    "timed: input conversion, forward, output conversion; {after}; run from a shell, an app differs"
)
KEEPS_TIME: Final = False
WRITES_OUTPUT: Final = True

PRECISION_FLAGS: Final[Mapping[Precision, str]] = {"fp32": "HIGH", "auto": "AUTO"}
"""TNN's own default is AUTO, which means fp16 on processors and builds that have it."""

DEVICE_TYPES: Final = {"arm64-v8a": "ARM", "armeabi-v7a": "ARM", "x86_64": "X86", "x86": "X86"}

MARK: Final = b"TNN Benchmark time cost"
_TIMES: Final = re.compile(
    r"time cost: min =\s*([-+\w.]+)\s*ms\s*\|\s*max =\s*([-+\w.]+)\s*ms"
    r"\s*\|\s*avg =\s*([-+\w.]+)\s*ms"
)
_ERROR: Final = re.compile(r"^E/tnn:\s*(.*)$", re.MULTILINE)
_HEADER: Final = re.compile(r"(\S+) mat_type: \d+ dims: (\d+)((?: \d+)*)\s*")
_PROFILE: Final = re.compile(r"^ *Profiling Data *\n-+\n(\|.*)\n-+\n((?:\|.*\n)*)", re.MULTILINE)


def recognises(program: bytes) -> bool:
    """Say whether these bytes are a TNNTest, by the format of its result line."""
    return MARK in program


def model_files(artifact: Path) -> tuple[Path, ...]:
    """Return the `.tnnproto` and its `.tnnmodel`, which TNNTest finds by name.

    Raises:
        DataError: the artifact is no `.tnnproto`, or one of the two is missing.
    """
    if artifact.suffix != ".tnnproto":
        message = f"{artifact} is no .tnnproto; write one with `topformer export --format tnn`"
        raise DataError(message)
    pair = (artifact, artifact.with_suffix(".tnnmodel"))
    for path in pair:
        if not path.is_file():
            message = f"{path} does not exist; write it with `topformer export --format tnn`"
            raise DataError(message)
    return pair


def device_of(call: Call) -> str:
    """Return TNN's name of what computes."""
    if call.device is not None:
        return call.device
    return "OPENCL" if call.accelerator == "gpu" else DEVICE_TYPES[call.abi]


def arguments(call: Call) -> tuple[str, ...]:
    """Return the arguments of one process; it cannot be told a time, only counts."""
    return (
        "-mt", "TNN",
        "-mp", call.model,
        "-dt", device_of(call),
        "-th", str(call.threads),
        "-wc", str(call.warmup),
        "-ic", str(call.iterations),
        "-it", "0",
        "-pr", PRECISION_FLAGS[call.precision],
        "-ip", call.input,
        "-op", call.output,
    )  # fmt: skip


def encode_input(inputs: NDArray[Any]) -> bytes:
    """Return an array as the text that `-ip` reads: one value a line, exact in float32.

    Raises:
        MeasurementError: a value is nan or inf, which TNNTest's reader turns into zeros.
    """
    if not np.isfinite(inputs).all():
        message = "the input holds nan or inf; TNNTest cannot read those"
        raise MeasurementError(message)
    values = np.ascontiguousarray(inputs, dtype=np.float32).ravel().tolist()
    return "".join([f"{value:.9g}\n" for value in values]).encode()


def parse_round(done: ShellResult, call: Call) -> Round:
    """Return what one process measured.

    Raises:
        MeasurementError: it printed an error, no time line, or times that are no times.
    """
    if errors := _ERROR.findall(done.stdout + "\n" + done.stderr):
        message = f"TNNTest failed: {plain(errors[0])}"
        raise MeasurementError(message)
    lines = _TIMES.findall(done.stdout)
    if not lines:
        message = f"TNNTest ended without its time line; it printed: {shown(done)}"
        raise MeasurementError(message)
    try:
        low, high, mean = (float(text) for text in lines[-1])
    except ValueError:
        low = high = mean = math.nan
    rounding = 0.0015  # three decimals are printed
    if not (0 <= low <= mean + rounding and mean <= high + rounding and math.isfinite(high)):
        message = f"TNNTest printed times that are none: min, max, avg = {', '.join(lines[-1])} ms"
        raise MeasurementError(message)
    return Round(iterations=call.iterations, min_ms=low, max_ms=high, mean_ms=mean)


def parse_partial(stdout: str) -> Round | None:  # noqa: ARG001
    """Return nothing: it tells its times at its end."""
    return None


def parse_layers(done: ShellResult) -> tuple[LayerTime, ...]:
    """Return the times of the layers, nothing where TNN was built without its profiler."""
    return layers_of(done.stdout)


def layers_of(text: str) -> tuple[LayerTime, ...]:
    """Return the layers of the profiler's first table: means of one call, in network order.

    Raises:
        MeasurementError: the table is not of its form.
    """
    match = _PROFILE.search(text)
    if match is None:
        return ()
    header, *rows = ([cell.strip() for cell in line[1:].split("|")] for line in _lines(match))
    try:
        places = [header.index(name) for name in ("name", "Op Type", "Kernel(ms)")]
        return tuple(_layer([row[place] for place in places]) for row in rows)
    except (ValueError, IndexError) as error:
        message = f"the table of TNN's profiler is not of its form ({plain(str(error))})"
        raise MeasurementError(message) from error


def _lines(match: re.Match[str]) -> list[str]:
    return [match[1], *match[2].splitlines()]


def _layer(cells: list[str]) -> LayerTime:
    name, kind, text = cells
    ms = float(text)
    if not 0 <= ms < math.inf:
        message = f"{name} took {text} ms"
        raise ValueError(message)
    return LayerTime(name, kind, ms)


def tells(done: ShellResult) -> Mapping[str, Any]:  # noqa: ARG001
    """Return nothing: TNNTest says nothing of itself."""
    return {}


def fitting_outputs(content: bytes, references: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
    """Return the outputs that are to be held against the references.

    Raises:
        MeasurementError: the file is not whole or not of TNNTest's form.
    """
    return fitting(decode_outputs(content).values(), references)


def decode_outputs(content: bytes) -> dict[str, FloatArray]:
    """Return the tensors of the file that `-op` wrote, by name.

    Raises:
        MeasurementError: the file is not whole or not of TNNTest's form.
    """
    lines = content.decode("utf-8", errors="replace").splitlines()
    try:
        count = int(lines[0])
        headers = [_header(line) for line in lines[1 : 1 + count]]
        with np.errstate(over="ignore"):  # a value beyond float32 is inf, which parity refuses
            values = np.array([float(line) for line in lines[1 + count :]], dtype=np.float32)
    except (ValueError, IndexError, OverflowError) as error:
        message = f"TNNTest's output file is not of its form ({error}); it may be cut off"
        raise MeasurementError(message) from error
    expected = sum(math.prod(shape) for _, shape in headers)
    if len(headers) != count or count < 1 or values.size != expected:
        message = f"TNNTest's output file holds {values.size} values of {expected}; it is cut off"
        raise MeasurementError(message)
    tensors: dict[str, FloatArray] = {}
    start = 0
    for name, shape in headers:
        size = math.prod(shape)
        tensors[name] = values[start : start + size].reshape(shape)
        start += size
    return tensors


def _header(line: str) -> tuple[str, tuple[int, ...]]:
    match = _HEADER.fullmatch(line)
    if match is None:
        message = f"header {line[:60]!r}"
        raise ValueError(message)
    shape = tuple(int(word) for word in match[3].split())
    if len(shape) != int(match[2]):
        message = f"{match[2]} dimensions announced, {len(shape)} given"
        raise ValueError(message)
    return match[1], shape
