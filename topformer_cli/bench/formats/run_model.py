"""LiteRT's `run_model`, which stands in for the output that its benchmark_model does not write.

It is published beside it in the same version, runs the same compiled model on a given input, and
prints the first, middle and last values of the output to stderr, six digits each. That is one
process more, apart from those that are timed.

Source: google-ai-edge/LiteRT at v2.2.0, litert/tools/run_model.cc and tensor_utils.h.
"""

import re
from pathlib import PurePosixPath
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from topformer_cli.bench.formats.words import plain
from topformer_cli.bench.plan import Call
from topformer_cli.bench.station import ShellResult
from topformer_cli.errors import MeasurementError

PROGRAM: Final = "run_model"
INPUT_FILE: Final = "input.raw"
"""`.raw` behind the input's name, which is `input` in every export of ours."""

SAMPLE: Final = 10_000
"""Values of each of the three stretches; the whole output of the paper's networks is 600 000."""

_MARK: Final = b"Decide if random value should be filled into tensor buffer"
_LOG: Final = re.compile(r"[IWEF]\d{4} .{0,80}?\.(?:cc|h):\d+\] (.*)")
_ERROR: Final = re.compile(r"^E\d{4} .{0,80}?\.(?:cc|h):\d+\] (.*)$", re.MULTILINE)
_VALUE: Final = re.compile(r"    (\d{1,12}): ([-+.\w]{1,40})")
_TOTAL: Final = "  Total logical elements: "
_TYPE: Final = "  ElementType: "
_PRINTED_TYPES: Final = {"1": "float32", "2": "int32", "3": "uint8"}
"""Other types are printed as if they were bytes."""


def recognises(program: bytes) -> bool:
    """Say whether these bytes are this program, by the help of its flags."""
    return _MARK in program


def check_arguments(call: Call) -> tuple[str, ...]:
    """Return the arguments of the one process; the input is named INPUT_FILE."""
    flags = (
        f"--graph={call.model}",
        f"--accelerator={call.accelerator}",
        f"--input_dir={PurePosixPath(call.input).parent}",
        "--print_tensors=true",
        "--compare_numerical=true",
        f"--sample_size={SAMPLE}",
    )
    if call.accelerator == "cpu":
        return flags
    return (*flags, f"--gpu_precision={call.precision}")


def decode_printed(done: ShellResult, reference: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the printed values and the reference's at the same places, both flat.

    Raises:
        MeasurementError: the program failed, or its output is not of the reference's size.
    """
    if done.returncode != 0 or _ERROR.search(done.stderr):
        said = _ERROR.findall(done.stderr)
        why = plain(said[0]) if said else "no reason given"
        message = f"run_model failed (exit code {done.returncode}): {why}"
        raise MeasurementError(message)
    lines = _output_lines(done.stderr)
    _require_same_kind(lines, reference)
    printed = {int(match[1]): match[2] for line in lines if (match := _VALUE.fullmatch(line))}
    places = sorted(printed)
    if len(places) < min(reference.size, SAMPLE) or places[-1] >= reference.size:
        message = f"run_model printed {len(places)} values of {reference.size}; it was cut off"
        raise MeasurementError(message)
    try:
        values = np.array([float(printed[place]) for place in places])
    except ValueError as error:
        message = f"run_model printed what is no value ({error})"
        raise MeasurementError(message) from error
    kind = reference.dtype if np.issubdtype(reference.dtype, np.integer) else np.float32
    with np.errstate(invalid="ignore", over="ignore"):
        return values.astype(kind), reference.ravel()[places]


def _output_lines(stderr: str) -> list[str]:
    """Return what was said of the first output, without the log's own beginnings."""
    said = [match[1] for line in stderr.splitlines() if (match := _LOG.fullmatch(line))]
    try:
        start = said.index("Output buffer 0:") + 1
    except ValueError as error:
        message = "run_model ended without printing its output"
        raise MeasurementError(message) from error
    ends = [at for at, line in enumerate(said) if at > start and line.startswith("Output buffer ")]
    return said[start : ends[0] if ends else None]


def _require_same_kind(lines: list[str], reference: NDArray[Any]) -> None:
    total = next((line.removeprefix(_TOTAL) for line in lines if line.startswith(_TOTAL)), "?")
    if total != str(reference.size):
        message = f"the model's output has {total} values, the reference {reference.size}"
        raise MeasurementError(message)
    kind = next((line.removeprefix(_TYPE) for line in lines if line.startswith(_TYPE)), "?")
    if kind not in _PRINTED_TYPES:
        message = (
            f"run_model cannot print outputs of LiteRT's type {kind}; "
            f"{', '.join(_PRINTED_TYPES.values())} can be compared"
        )
        raise MeasurementError(message)
