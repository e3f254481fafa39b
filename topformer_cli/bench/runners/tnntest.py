"""TNN's own `TNNTest`: how it is called, and what may be believed of what it prints.

Source: Tencent/TNN at f0cb081, test/test.cc, test/timer.cc, test/flags.cc. Its exit code is the
status modulo 256 and so 0 for several failures; a run counts only when the time line is there,
no error line is, and the output file is whole. It tells min, max and mean of one process, no
single times, so a process is a round.
"""

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np

from topformer_cli.bench.plan import BenchPlan, Precision
from topformer_cli.errors import DataError, MeasurementError
from topformer_cli.predictor import FloatArray
from topformer_cli.results import Round

ENGINE: Final = "TNN"
COVERS: Final = (
    "timed: input conversion, forward, output conversion; no resizing and no argmax after it; "
    "run from a shell, an app differs"
)
INPUT_NAME: Final = "input.txt"
OUTPUT_NAME: Final = "output.txt"

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
_SHOWN_LINES: Final = 20


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


def arguments(plan: BenchPlan, abi: str) -> tuple[str, ...]:
    """Return the arguments of one process: one round of the protocol."""
    return (
        "-mt", "TNN",
        "-mp", plan.artifact.name,
        "-dt", DEVICE_TYPES[abi],
        "-th", str(plan.threads),
        "-wc", str(plan.protocol.warmup),
        "-ic", str(plan.protocol.iterations),
        "-it", "0",
        "-pr", PRECISION_FLAGS[plan.precision],
        "-ip", INPUT_NAME,
        "-op", OUTPUT_NAME,
    )  # fmt: skip


def encode_input(inputs: FloatArray) -> bytes:
    """Return an array as the text that `-ip` reads: one value a line, exact in float32.

    Raises:
        MeasurementError: a value is nan or inf, which TNNTest's reader turns into zeros.
    """
    if not np.isfinite(inputs).all():
        message = "the input holds nan or inf; TNNTest cannot read those"
        raise MeasurementError(message)
    values = np.ascontiguousarray(inputs, dtype=np.float32).ravel().tolist()
    return "".join([f"{value:.9g}\n" for value in values]).encode()


def parse_round(stdout: str, stderr: str, iterations: int) -> Round:
    """Return what one process measured.

    Raises:
        MeasurementError: it printed an error, no time line, or times that are no times.
    """
    if errors := _ERROR.findall(stdout + "\n" + stderr):
        message = f"TNNTest failed: {_plain(errors[0])}"
        raise MeasurementError(message)
    lines = _TIMES.findall(stdout)
    if not lines:
        message = f"TNNTest ended without its time line; it printed: {_shown(stdout, stderr)}"
        raise MeasurementError(message)
    try:
        low, high, mean = (float(text) for text in lines[-1])
    except ValueError:
        low = high = mean = math.nan
    rounding = 0.0015  # three decimals are printed
    if not (0 <= low <= mean + rounding and mean <= high + rounding and math.isfinite(high)):
        message = f"TNNTest printed times that are none: min, max, avg = {', '.join(lines[-1])} ms"
        raise MeasurementError(message)
    return Round(iterations=iterations, min_ms=low, max_ms=high, mean_ms=mean)


def decode_output(content: bytes) -> dict[str, FloatArray]:
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


def _shown(stdout: str, stderr: str) -> str:
    lines = [_plain(line) for line in (stdout + "\n" + stderr).splitlines()]
    shown = [line for line in lines if line][:_SHOWN_LINES]
    return " | ".join(shown) or "nothing"


def _plain(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text).strip()
