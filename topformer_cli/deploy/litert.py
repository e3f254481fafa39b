"""LiteRT: a module written by litert-torch, and its file run by ai-edge-litert.

Both come with the extra `[litert]` and are imported inside functions: an installation without the
extra must run. What they and their C++ parts print is held back.
"""

import contextlib
import io
import os
import sys
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from torch import Tensor, nn

from topformer_cli.deploy.tflite_file import damaged, label, load_package, read_tflite
from topformer_cli.errors import ExportError
from topformer_cli.predictor import FloatArray
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


class ChannelsLast(nn.Module):
    """A network that takes [N, H, W, 3] and gives [N, h, w, classes], as LiteRT computes inside."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.train(network.training)

    def forward(self, images: Tensor) -> Tensor:
        """Compute what the network does; labels, which have no channels, stay as they are."""
        output: Tensor = self.network(images.permute(0, 3, 1, 2))
        return output.permute(0, 2, 3, 1) if output.dim() == 4 else output


def write_tflite(
    module: nn.Module,
    example: Tensor,
    path: Path,
    metadata: Mapping[str, str],
    names: tuple[str, str],
) -> None:
    """Write a module in evaluation mode as a LiteRT file with metadata inside.

    Shapes: the example fixes the input's shape and type; its layout is the file's, [1, 3, H, W], or
    [1, H, W, 3] for a `ChannelsLast` module. names: of the input and of the output.

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


class LiteRtPredictor:
    """A LiteRT file of one static shape in ai-edge-litert with XNNPACK, on one thread.

    layout: "NCHW" or "NHWC", that of the file's input; the predictor itself always takes NCHW.

    Raises:
        ExportError: ai-edge-litert or the file is missing, the file is damaged or no LiteRT file,
            or it has not one image as input and one output.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._interpreter = _interpreter(path)
        inputs = self._interpreter.get_input_details()
        outputs = self._interpreter.get_output_details()
        shapes = [tuple(map(int, value["shape"])) for value in inputs]
        if len(outputs) != 1 or len(shapes) != 1 or not _is_image(shapes[0]):
            message = (
                f"{path}: takes {shapes} and gives {len(outputs)} outputs, "
                "a predictor takes one RGB image and gives one output"
            )
            raise ExportError(message)
        self._input, self._output = inputs[0], outputs[0]
        batch, first, second, third = shapes[0]
        self.layout = "NCHW" if first == 3 else "NHWC"
        self._shape = shapes[0] if first == 3 else (batch, third, first, second)

    @property
    def name(self) -> str:
        """The runtime and the file."""
        return f"LiteRT {self.path.name}"

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of one input as [1, 3, H, W], whatever the file's layout is."""
        return self._shape

    @property
    def input_type(self) -> np.dtype[Any]:
        """The type of the input: float32 normalised, or uint8."""
        dtype: np.dtype[Any] = np.dtype(self._input["dtype"])
        return dtype

    def __call__(self, images: FloatArray) -> FloatArray:
        """Compute the output [N, classes, h, w] for images [N, 3, H, W] of the file's input type.

        Raises:
            ExportError: the images have another size or type, or LiteRT cannot compute a layer.
        """
        if not len(images) or (1, *images.shape[1:]) != self._shape:
            message = (
                f"{self.path}: takes images of shape {list(self._shape)}, got {list(images.shape)}"
            )
            raise ExportError(message)
        if not np.can_cast(images.dtype, self.input_type, "same_kind"):
            message = f"{self.path}: takes {self.input_type} images, got {images.dtype}"
            raise ExportError(message)
        values = images.astype(self.input_type)
        return np.concatenate([self._run(values[i : i + 1]) for i in range(len(values))])

    def _run(self, image: FloatArray) -> FloatArray:
        last = self.layout == "NHWC"
        given = np.ascontiguousarray(image.transpose(0, 2, 3, 1) if last else image)
        try:
            self._interpreter.set_tensor(self._input["index"], given)
            self._interpreter.invoke()
        except (ValueError, RuntimeError) as error:
            raise damaged(self.path, error) from error
        output: FloatArray = self._interpreter.get_tensor(self._output["index"])
        return output.transpose(0, 3, 1, 2) if last and output.ndim == 4 else output


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


def _is_image(shape: tuple[int, ...]) -> bool:
    return len(shape) == 4 and shape[0] == 1 and 3 in (shape[1], shape[3]) and min(shape) > 0


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
