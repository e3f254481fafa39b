"""LiteRT: a module written by litert-torch, and its file run by ai-edge-litert.

Both come with the extra `[litert]` and are imported inside functions: an installation without the
extra must run. What they and their C++ parts print is held back.
"""

import contextlib
import io
import os
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from topformer_cli.deploy.runtime_inputs import check_shapes
from topformer_cli.deploy.tflite_file import damaged, label, load_package, read_tflite
from topformer_cli.errors import ExportError
from topformer_cli.rundir import atomic_write

_CONVERTER_ERRORS: Final = (
    RuntimeError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    AssertionError,
)
"""litert-torch's refusals, seen or read, have no common base of their own."""


def write_tflite(
    module: nn.Module,
    example: Tensor,
    path: Path,
    *,
    names: tuple[str, str],
    metadata: Mapping[str, str],
) -> None:
    """Write a module in evaluation mode as a LiteRT file with metadata inside.

    Shapes: the example [1, 3, H, W] fixes shape and type of the input. names: of input and output.

    Raises:
        ExportError: litert-torch is missing, the module is in training mode, or litert-torch cannot
            convert it; nothing was written.
    """
    if module.training:
        message = f"{type(module).__name__} is in training mode; call eval() before exporting it"
        raise ExportError(message)
    with _quiet():
        converter = load_package("litert_torch")
        try:
            content: bytes = converter.convert(module, (example,)).model_content()
        except _CONVERTER_ERRORS as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            message = f"litert-torch cannot convert {type(module).__name__}: {reason[:200]}"
            raise ExportError(message) from error
    atomic_write(path, label(content, names, metadata))


class LiteRtRuntime:
    """A LiteRT file of one static shape in ai-edge-litert with XNNPACK, on one thread.

    Raises:
        ExportError: ai-edge-litert or the file is missing, or the file is damaged or no LiteRT
            file.
    """

    engine = "LiteRT"

    def __init__(self, path: Path) -> None:
        self.path = path
        self._interpreter = _interpreter(path)
        self._inputs = self._interpreter.get_input_details()
        self._outputs = self._interpreter.get_output_details()

    @property
    def name(self) -> str:
        """The runtime and the file."""
        return f"{self.engine} {self.path.name}"

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """The shapes of the inputs."""
        return tuple(tuple(map(int, value["shape"])) for value in self._inputs)

    @property
    def types(self) -> tuple[np.dtype[Any], ...]:
        """The types of the inputs: float32 normalised, or uint8."""
        return tuple(np.dtype(value["dtype"]) for value in self._inputs)

    def __call__(self, inputs: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
        """Compute all outputs.

        Raises:
            ExportError: the inputs have another size or type, or LiteRT cannot compute a layer.
        """
        check_shapes(self.path, self.shapes, inputs)
        for array, wanted in zip(inputs, self.types, strict=True):
            if not np.can_cast(array.dtype, wanted, "same_kind"):
                message = f"{self.path}: takes {wanted} inputs, got {array.dtype}"
                raise ExportError(message)
        try:
            for value, array in zip(self._inputs, inputs, strict=True):
                given = np.ascontiguousarray(array, dtype=value["dtype"])
                self._interpreter.set_tensor(value["index"], given)
            self._interpreter.invoke()
        except (ValueError, RuntimeError) as error:
            raise damaged(self.path, error) from error
        return [self._interpreter.get_tensor(value["index"]) for value in self._outputs]


def _interpreter(path: Path) -> Any:  # noqa: ANN401 - the packages of the extra have no types
    content = read_tflite(path)
    with _quiet():
        runtime = load_package("ai_edge_litert.interpreter")
        try:
            interpreter = runtime.Interpreter(model_content=content, num_threads=1)
            interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise damaged(path, error) from error
    return interpreter


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Hold back what is printed, from C++ too, and Python's warnings."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept = [(number, os.dup(number)) for number in (1, 2)]
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        for number, _ in kept:
            os.dup2(nowhere, number)
        said = io.StringIO()
        with (
            contextlib.redirect_stdout(said),
            contextlib.redirect_stderr(said),
            warnings.catch_warnings(action="ignore"),
        ):
            yield
    finally:
        for number, copy in kept:
            os.dup2(copy, number)
            os.close(copy)
        os.close(nowhere)
