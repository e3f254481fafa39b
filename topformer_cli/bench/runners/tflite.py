"""TensorFlow Lite's `benchmark_model`, which runs LiteRT's interpreter: its flags and output.

Google publishes it as a nightly build only. It reads its input from a file and, in every version of
LiteRT's own sources (v1.2.0 and later; `recognises` looks for the flag), writes its output to one.

Source: google-ai-edge/LiteRT at v2.2.0, tflite/tools/benchmark/benchmark_tflite_model.cc and
tflite/tools/delegates.
"""

from collections.abc import Mapping
from typing import Any, Final

from topformer_cli.bench.formats.benchmark_layers import parse_layers
from topformer_cli.bench.formats.benchmark_log import parse_partial, parse_round, protocol_flags
from topformer_cli.bench.formats.benchmark_log import tells as tells_of_delegates
from topformer_cli.bench.formats.tflite_tensors import encode_input, fitting_outputs, model_files
from topformer_cli.bench.plan import Call
from topformer_cli.bench.station import ShellResult
from topformer_cli.errors import UsageError

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
    "timed: one invocation of the interpreter; copying the input in and reading the output lie "
    "outside; {after}; run from a shell, an app differs"
)
KEEPS_TIME: Final = True
WRITES_OUTPUT: Final = True

MARKS: Final = (b"input_layer_value_files", b"File path to export outputs layer")
"""Long texts of its help: a compiler may take short ones apart."""

INPUT_LABEL: Final = "input"
"""Another name than the model's own brings a warning; place and size are what counts."""

PROFILE_ENTRIES: Final = 16_384
"""Room for the operators within XNNPACK, which the program's own estimate leaves out."""


def recognises(program: bytes) -> bool:
    """Say whether these bytes are this program, by the help of its flags."""
    return all(mark in program for mark in MARKS)


def arguments(call: Call) -> tuple[str, ...]:
    """Return the arguments of one process.

    Delegates are applied in the order of their flags: XNNPACK takes what a GPU leaves. Float32
    models stay in float32 on the processor, as no flag forces fp16; a GPU computes in fp16 unless
    fp32 is asked for.

    Raises:
        UsageError: the call does not say the input's shape.
    """
    if not call.shape:
        message = f"{call.model}: benchmark_model must be told the shape of the input"
        raise UsageError(message)
    sides = ",".join(str(side) for side in call.shape)
    flags = [
        *protocol_flags(call),
        f"--input_layer={INPUT_LABEL}",
        f"--input_layer_shape={sides}",
        f"--input_layer_value_files={INPUT_LABEL}:{call.input.replace(':', '::')}",
        f"--output_filepath={call.output}",
    ]
    if call.accelerator == "gpu":
        lossy = "true" if call.precision == "auto" else "false"
        flags += ["--use_gpu=true", f"--gpu_precision_loss_allowed={lossy}"]
    flags.append("--use_xnnpack=true")
    if call.per_layer:
        flags += [
            "--enable_op_profiling=true",
            f"--max_profiling_buffer_entries={PROFILE_ENTRIES}",
        ]
    return tuple(flags)


def tells(done: ShellResult) -> Mapping[str, Any]:
    """Return what the program says of delegates and memory."""
    return {"program": "interpreter", **tells_of_delegates(done)}
