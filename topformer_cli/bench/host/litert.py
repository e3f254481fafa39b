"""LiteRT on this host, by the interpreter of ai-edge-litert with XNNPACK.

The package comes with the extra `[litert]` and is imported when a model is opened.
"""

import importlib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from topformer_cli.bench.formats.tflite_tensors import model_files
from topformer_cli.errors import MeasurementError, UsageError
from topformer_cli.onnx_session import first_line

REMEDY: Final = "pip install 'topformer-cli[litert]'"


class LiteRtHost:
    """One model, ready to run; infer is what may be timed. shape and dtype are its input's."""

    def __init__(self, path: Path, interpreter: Any, version: str) -> None:  # noqa: ANN401
        self.path = path
        self.version = version
        self._interpreter = interpreter
        self._inputs = interpreter.get_input_details()
        self._outputs = [one["index"] for one in interpreter.get_output_details()]
        self.shape = tuple(int(side) for side in self._inputs[0]["shape"])
        self.dtype = np.dtype(self._inputs[0]["dtype"])

    def infer(self, inputs: NDArray[Any]) -> list[NDArray[Any]]:
        """Return all outputs; the input is copied in and the outputs are copied out.

        Raises:
            MeasurementError: the input has another shape or type, or LiteRT cannot compute it.
        """
        try:
            self._interpreter.set_tensor(self._inputs[0]["index"], inputs)
            self._interpreter.invoke()
        except (ValueError, RuntimeError) as error:
            raise _refused(self.path, error) from error
        return [self._interpreter.get_tensor(index) for index in self._outputs]


def open_litert(path: Path, threads: int) -> LiteRtHost:
    """Load a LiteRT file.

    Raises:
        UsageError: ai-edge-litert is not installed or does not load; says what to type.
        DataError: the file is missing or no LiteRT file.
        MeasurementError: LiteRT cannot run it, or it has several inputs.
    """
    model_files(path)
    try:
        runtime = importlib.import_module("ai_edge_litert.interpreter")
        installed = version("ai-edge-litert")
    except (ImportError, AttributeError, RuntimeError, PackageNotFoundError) as error:
        # Attribute and runtime errors come from packages that are there and do not fit.
        reason = first_line(error)
        message = f"{path.name} needs the package ai-edge-litert ({reason}); run `{REMEDY}`"
        raise UsageError(message) from error
    try:
        interpreter = runtime.Interpreter(model_content=path.read_bytes(), num_threads=threads)
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise _refused(path, error) from error
    inputs = interpreter.get_input_details()
    if len(inputs) != 1:
        message = f"{path} has {len(inputs)} inputs; one picture is what is measured here"
        raise MeasurementError(message)
    return LiteRtHost(path, interpreter, installed)


def _refused(path: Path, error: Exception) -> MeasurementError:
    return MeasurementError(f"LiteRT cannot run {path}: {first_line(error)}")
