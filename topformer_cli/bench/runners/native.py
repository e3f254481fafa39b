"""Our own TNN runner, topformer-runner: every inference with its own time.

Its source is bench/native/topformer_runner.cpp; `topformer runner build` compiles it.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from topformer_cli.bench.formats import events, tensor_file
from topformer_cli.bench.plan import Call
from topformer_cli.bench.runners import tnntest
from topformer_cli.bench.station import ShellResult
from topformer_cli.errors import MeasurementError
from topformer_cli.results import LayerTime, Round

ENGINE: Final = "TNN"
COVERS: Final = tnntest.COVERS
KEEPS_TIME: Final = True
WRITES_OUTPUT: Final = True

MARK: Final = b"@(#)topformer-runner "
_WHAT: Final = re.compile(rb"@\(#\)topformer-runner (\d+) TNN ([ -~]*)\0")


def recognises(program: bytes) -> bool:
    """Say whether these bytes are this runner, by the words that are compiled into it."""
    return MARK in program


def origin_of(program: bytes) -> str | None:
    """Return the version or commit of the TNN that the program was linked with."""
    match = _WHAT.search(program)
    return match[2].decode() if match else None


def model_files(artifact: Path) -> tuple[Path, ...]:
    """Return the `.tnnproto` and its `.tnnmodel`; DataError when one of them is not there."""
    return tnntest.model_files(artifact)


def encode_input(inputs: NDArray[Any]) -> bytes:
    """Return an array as little-endian float32 in its own order.

    Raises:
        MeasurementError: a value is nan or inf.
    """
    if not np.isfinite(inputs).all():
        message = "the input holds nan or inf; its output says nothing"
        raise MeasurementError(message)
    return np.ascontiguousarray(inputs, dtype="<f4").tobytes()


def arguments(call: Call) -> tuple[str, ...]:
    """Return the arguments of one process."""
    return (
        "--model", call.model,
        "--input", call.input,
        "--output", call.output,
        "--device", tnntest.device_of(call),
        "--precision", call.precision,
        "--threads", str(call.threads),
        "--warmup", str(call.warmup),
        "--warmup-seconds", f"{call.warmup_s:g}",
        "--iterations", str(call.iterations),
        "--seconds", f"{call.seconds:g}",
        *(("--residency", call.residency) if call.residency else ()),
        *(("--per-layer",) if call.per_layer else ()),
    )  # fmt: skip


def parse_round(done: ShellResult, call: Call) -> Round:
    """Return what one process measured; MeasurementError when it failed."""
    return events.parse_round(done, call)


def parse_partial(stdout: str) -> Round | None:
    """Return the inferences that were told before the process was cut off."""
    return events.parse_partial(stdout)


def parse_layers(done: ShellResult) -> tuple[LayerTime, ...]:
    """Return the times of the layers, nothing where TNN was built without its profiler."""
    return tnntest.layers_of(events.profile_text(done))


def tells(done: ShellResult) -> Mapping[str, Any]:
    """Return what the runner says of itself and of its TNN."""
    return events.tells(done)


def decode_outputs(content: bytes) -> dict[str, NDArray[Any]]:
    """Return the tensors of an output file by name; MeasurementError."""
    return tensor_file.decode_outputs(content)


def fitting_outputs(content: bytes, references: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
    """Return the outputs that are to be held against the references; MeasurementError."""
    return tensor_file.fitting_outputs(content, references)
