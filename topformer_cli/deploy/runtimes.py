"""Exported files as functions: arrays in, arrays out, in the order of the file's own lists."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from topformer_cli.deploy.litert import LiteRtRuntime
from topformer_cli.deploy.runtime_inputs import Arrays, check_shapes
from topformer_cli.deploy.tnn.interpreter import load_tnn, named_inputs, run_tnn
from topformer_cli.errors import ExportError
from topformer_cli.onnx_session import ORT_ERRORS, first_line, open_session

_DTYPES: Final[dict[str, np.dtype[Any]]] = {
    "tensor(float)": np.dtype(np.float32),
    "tensor(uint8)": np.dtype(np.uint8),
}


class Runtime(Protocol):
    """A file in whatever computes it."""

    @property
    def name(self) -> str:
        """The runtime and the file, as they are named in messages."""
        ...

    @property
    def engine(self) -> str:
        """What computes the file."""
        ...

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """The shapes of the inputs."""
        ...

    def __call__(self, inputs: Arrays) -> list[NDArray[Any]]:
        """Compute all outputs for one set of inputs.

        Raises:
            ExportError: the inputs do not fit the file.
        """
        ...


class OnnxRuntime:
    """An ONNX file of static shape in onnxruntime, on one thread.

    Raises:
        ExportError: the file is missing or onnxruntime does not take it.
    """

    engine = "onnxruntime"

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._session = open_session(path)
        except ORT_ERRORS as error:
            message = f"{path}: onnxruntime cannot load it ({first_line(error)})"
            raise ExportError(message) from error
        self._inputs = self._session.get_inputs()

    @property
    def name(self) -> str:
        """The runtime and the file."""
        return f"{self.engine} {self.path.name}"

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """The shapes of the inputs."""
        return tuple(tuple(value.shape) for value in self._inputs)

    def __call__(self, inputs: Arrays) -> list[NDArray[Any]]:
        """Compute all outputs.

        Raises:
            ExportError: the inputs do not fit, or onnxruntime fails on them.
        """
        check_shapes(self.path, self.shapes, inputs)
        feeds = {
            value.name: np.ascontiguousarray(array, dtype=_DTYPES.get(value.type, array.dtype))
            for value, array in zip(self._inputs, inputs, strict=True)
        }
        try:
            return list(self._session.run(None, feeds))
        except ORT_ERRORS as error:
            message = f"{self.path}: onnxruntime fails ({first_line(error)})"
            raise ExportError(message) from error


class TnnRuntime:
    """A .tnnproto file and the .tnnmodel file beside it in the reference interpreter.

    Raises:
        ExportError: a file is missing or damaged, or they are no pair.
    """

    engine = "the reference interpreter"

    def __init__(self, proto: Path) -> None:
        self.path = proto
        self.loaded = load_tnn(proto)

    @property
    def name(self) -> str:
        """The runtime and the file."""
        return f"reference interpreter {self.path.name}"

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """The shapes of the inputs."""
        return tuple(blob.shape for blob in self.loaded.network.inputs)

    def __call__(self, inputs: Arrays) -> list[NDArray[Any]]:
        """Compute all outputs; bytes are taken as the floats they stand for.

        Raises:
            ExportError: the inputs do not fit, or a layer cannot be computed.
        """
        check_shapes(self.path, self.shapes, inputs)
        outputs = run_tnn(self.loaded, named_inputs(self.loaded, inputs))
        return [outputs[name] for name in self.loaded.network.outputs]


OPENERS: Final[dict[str, Callable[[Path], Runtime]]] = {
    "onnx": OnnxRuntime,
    "tnn": TnnRuntime,
    "tflite": LiteRtRuntime,
}
"""Format -> what opens its first file."""
