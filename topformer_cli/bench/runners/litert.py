"""LiteRT's `benchmark_model`, which runs compiled models: how it is called and what it tells.

It is the program that Google publishes by version. It knows no input file and writes no output;
what the model computes is seen by run_model of the same version (formats/run_model.py), or by the
interpreter's program of the same name (tflite.py).

Source: google-ai-edge/LiteRT at v2.2.0, litert/tools/benchmark_litert_model.{h,cc}.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from topformer_cli.bench.formats.benchmark_layers import parse_layers
from topformer_cli.bench.formats.benchmark_log import parse_partial, parse_round, protocol_flags
from topformer_cli.bench.formats.benchmark_log import tells as tells_of_delegates
from topformer_cli.bench.formats.tflite_tensors import model_files
from topformer_cli.bench.plan import Call
from topformer_cli.bench.station import ShellResult
from topformer_cli.errors import MeasurementError

__all__ = [
    "COVERS",
    "ENGINE",
    "KEEPS_TIME",
    "WRITES_OUTPUT",
    "arguments",
    "encode_input",
    "fitting_outputs",
    "model_files",
    "parse_layers",
    "parse_partial",
    "parse_round",
    "recognises",
    "tells",
]  # fmt: skip

ENGINE: Final = "LiteRT"
COVERS: Final = (
    "timed: running the compiled model on random values, on a GPU until it has finished; writing "
    "the input and reading the output lie outside; {after}; run from a "
    "shell, an app differs"
)
KEEPS_TIME: Final = True
WRITES_OUTPUT: Final = False

MARK: Final = b"========== BENCHMARK RESULTS =========="


def recognises(program: bytes) -> bool:
    """Say whether these bytes are this program, by the head of its results."""
    return MARK in program


def encode_input(inputs: NDArray[Any]) -> bytes:
    """Return raw bytes; the program does not read them and draws random values."""
    return np.ascontiguousarray(inputs).tobytes()


def arguments(call: Call) -> tuple[str, ...]:
    """Return the arguments of one process; operators that the GPU refuses fall back to the CPU.

    There a float32 model is computed in float32, whichever precision is asked for.
    """
    flags = protocol_flags(call)
    if call.accelerator == "gpu":
        flags += ("--use_gpu=true", f"--gpu-precision={call.precision}")
    return (*flags, "--use_profiler=true") if call.per_layer else flags


def tells(done: ShellResult) -> Mapping[str, Any]:
    """Return what the program says of delegates and memory."""
    return {"program": "compiled model", **tells_of_delegates(done)}


def fitting_outputs(content: bytes, references: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
    """Refuse: the program writes no output.

    Raises:
        MeasurementError: always; names the programs that show it.
    """
    message = (
        f"LiteRT's benchmark_model writes no output ({len(content)} bytes for "
        f"{len(references)} outputs); run_model of the same version shows it, and the program of "
        "`topformer runner fetch tflite` writes it"
    )
    raise MeasurementError(message)
