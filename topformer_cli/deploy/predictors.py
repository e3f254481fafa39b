"""Exported files as predictors: normalised images in, logits out."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as runtime

from topformer_cli.deploy.tnn.interpreter import load_tnn, run_tnn
from topformer_cli.errors import ExportError
from topformer_cli.predictor import FloatArray

_LOAD_ERRORS: Final = (
    runtime.Fail,
    runtime.InvalidArgument,
    runtime.InvalidGraph,
    runtime.InvalidProtobuf,
    runtime.NoSuchFile,
    runtime.NotImplemented,
    runtime.RuntimeException,
)
"""onnxruntime's exceptions have no common base of their own."""


class OnnxPredictor:
    """An ONNX file of one static shape in onnxruntime, on one thread.

    Raises:
        ExportError: the file is missing or onnxruntime does not take it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 4
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except _LOAD_ERRORS as error:
            reason = str(error).strip().splitlines()[0]
            message = f"{path}: onnxruntime cannot load it ({reason[:200]})"
            raise ExportError(message) from error
        self._input = self._session.get_inputs()[0]

    @property
    def name(self) -> str:
        """The runtime and the file."""
        return f"onnxruntime {self.path.name}"

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of one input, [1, 3, H, W]."""
        return tuple(self._input.shape)

    def __call__(self, images: FloatArray) -> FloatArray:
        """Compute logits [N, classes, h, w] for normalised images [N, 3, H, W].

        Raises:
            ExportError: the images have another size than the file.
        """
        return _one_by_one(
            images,
            self.input_shape,
            str(self.path),
            lambda image: self._session.run(None, {self._input.name: image})[0],
        )


class TnnPredictor:
    """A .tnnproto file and the .tnnmodel file beside it in the reference interpreter.

    Raises:
        ExportError: a file is missing or damaged, they are no pair, or the network has several
            inputs or outputs.
    """

    def __init__(self, proto: Path) -> None:
        self.path = proto
        self._loaded = load_tnn(proto)
        network = self._loaded.network
        if len(network.inputs) != 1 or len(network.outputs) != 1:
            message = (
                f"{proto}: {len(network.inputs)} inputs and {len(network.outputs)} outputs, "
                "a predictor has one of each"
            )
            raise ExportError(message)
        self._input, self._output = network.inputs[0], network.outputs[0]

    @property
    def name(self) -> str:
        """The runtime and the file."""
        return f"reference interpreter {self.path.name}"

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of one input, [1, 3, H, W]."""
        return self._input.shape

    def __call__(self, images: FloatArray) -> FloatArray:
        """Compute logits [N, classes, h, w] for normalised images [N, 3, H, W].

        Raises:
            ExportError: the images have another size than the file.
        """
        return _one_by_one(
            images,
            self.input_shape,
            str(self.path),
            lambda image: run_tnn(self._loaded, {self._input.name: image})[self._output],
        )


def _one_by_one(
    images: FloatArray,
    shape: tuple[int, ...],
    where: str,
    run: Callable[[FloatArray], FloatArray],
) -> FloatArray:
    """Run a network of batch 1 over a batch."""
    if not len(images) or (1, *images.shape[1:]) != shape:
        message = f"{where}: takes images of shape {list(shape)}, got {list(images.shape)}"
        raise ExportError(message)
    values = np.ascontiguousarray(images, dtype=np.float32)
    return np.concatenate([run(values[i : i + 1]) for i in range(len(values))])
