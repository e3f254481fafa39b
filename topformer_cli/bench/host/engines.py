"""The engines of this machine: `host/runner.py`, started with the Python that runs this."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from topformer_cli.bench.formats import events
from topformer_cli.bench.formats.tensor_file import fitting_outputs
from topformer_cli.bench.plan import Call
from topformer_cli.bench.station import ShellResult
from topformer_cli.errors import DataError
from topformer_cli.results import LayerTime, Round

WORDS: Final = (sys.executable, "-m", "topformer_cli.bench.host.runner")


@dataclass(frozen=True, slots=True)
class HostEngine:
    """One engine of the host runner; suffix is that of the files it opens.

    package: the distribution that it comes in.
    """

    engine: str
    ENGINE: str
    suffix: str
    package: str
    COVERS: str = "timed: inference, array in to array out; {after}"
    KEEPS_TIME: bool = True
    WRITES_OUTPUT: bool = True

    @property
    def installed(self) -> str | None:
        """The engine and its version, None when it is not installed."""
        try:
            return f"{self.ENGINE} {version(self.package)}"
        except PackageNotFoundError:
            return None

    def recognises(self, program: bytes) -> bool:  # noqa: ARG002
        """Say no: it is a module of this package, not a program that anyone gives."""
        return False

    def model_files(self, artifact: Path) -> tuple[Path, ...]:
        """Return the one file that is opened.

        Raises:
            DataError: it is missing or of another format.
        """
        if artifact.suffix != self.suffix:
            message = f"{artifact} is no {self.suffix} file, which {self.ENGINE} takes"
            raise DataError(message)
        if not artifact.is_file():
            message = f"{artifact} does not exist; write it with `topformer export`"
            raise DataError(message)
        return (artifact,)

    def encode_input(self, inputs: NDArray[Any]) -> bytes:
        """Return the raw little-endian values."""
        return np.ascontiguousarray(inputs).astype(inputs.dtype.newbyteorder("<")).tobytes()

    def arguments(self, call: Call) -> tuple[str, ...]:
        """Return the arguments of one process."""
        residency = ("--residency", call.residency) if call.residency else ()
        return (
            "--engine", self.engine,
            "--model", call.model,
            "--input", call.input,
            "--output", call.output,
            "--threads", str(call.threads),
            "--warmup", str(call.warmup),
            "--warmup-seconds", str(call.warmup_s),
            "--iterations", str(call.iterations),
            "--seconds", str(call.seconds),
            *residency,
        )  # fmt: skip

    def parse_round(self, done: ShellResult, call: Call) -> Round:
        """Return what one process measured; MeasurementError when it failed."""
        return events.parse_round(done, call)

    def parse_partial(self, stdout: str) -> Round | None:
        """Return the inferences that were told before the process was cut off."""
        return events.parse_partial(stdout)

    def parse_layers(self, done: ShellResult) -> tuple[LayerTime, ...]:  # noqa: ARG002
        """Return nothing: the host runner does not profile."""
        return ()

    def tells(self, done: ShellResult) -> Mapping[str, Any]:
        """Return the engine's version as `origin`."""
        return events.tells(done)

    def fitting_outputs(
        self, content: bytes, references: Sequence[NDArray[Any]]
    ) -> list[NDArray[Any]]:
        """Return the outputs that are to be held against the references."""
        return fitting_outputs(content, references)


HOST_ENGINES: Final[Mapping[str, HostEngine]] = {
    "onnxruntime": HostEngine("onnxruntime", "onnxruntime", ".onnx", "onnxruntime"),
    "torch": HostEngine("torch", "PyTorch", ".pt2", "torch"),
    "litert": HostEngine("litert", "LiteRT", ".tflite", "ai-edge-litert"),
}
