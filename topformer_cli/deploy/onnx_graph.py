"""An ONNX graph in memory: its inputs, and what onnxruntime computes from it as it stands."""

import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from topformer_cli.errors import ExportError
from topformer_cli.onnx_session import ORT_ERRORS, open_session

NamedArrays = Mapping[str, NDArray[Any]]
"""By the names of inputs or outputs."""


def node_name(node: ir.Node) -> str:
    """Return how a node is called in messages; exporters leave some without a name."""
    return node.name or f"the node that makes {node.outputs[0].name}"


MAX_VALUES: Final = 10**9
"""No network for a phone takes more; the check with noise needs all of them in memory."""


def noise_for(model: ir.Model) -> dict[str, NDArray[Any]]:
    """Return seeded noise for the inputs of a graph; bytes for a uint8 input.

    Raises:
        ExportError: an input's shape is not static or too large, or its type is neither float32
            nor uint8.
    """
    generator = np.random.default_rng(0)
    feeds: dict[str, NDArray[Any]] = {}
    for value in graph_inputs(model.graph):
        shape = [size for size in value.shape or (None,) if isinstance(size, int)]
        if value.shape is None or len(shape) != len(value.shape):
            message = f"input {value.name}: the shape of {value.name!r} is not static"
            raise ExportError(message)
        if math.prod(shape) > MAX_VALUES:
            message = f"input {value.name}: {shape} holds more than {MAX_VALUES:.0e} values"
            raise ExportError(message)
        if value.dtype == ir.DataType.UINT8:
            feeds[str(value.name)] = generator.integers(0, 256, shape, np.uint8)
        elif value.dtype == ir.DataType.FLOAT:
            feeds[str(value.name)] = generator.standard_normal(shape, dtype=np.float32)
        else:
            kind = value.dtype.name if value.dtype else "unknown"
            message = f"input {value.name}: type {kind}, not float32 or uint8"
            raise ExportError(message)
    return feeds


def graph_inputs(graph: ir.Graph) -> list[ir.Value]:
    """Return the inputs that are no weights; old exporters list those too."""
    return [value for value in graph.inputs if value.name not in graph.initializers]


def compute_graph(model: ir.Model, feeds: NamedArrays) -> dict[str, NDArray[Any]]:
    """Compute the outputs of a graph in onnxruntime, on one thread, as it stands.

    Raises:
        ExportError: onnxruntime does not know an operator, or cannot compute the graph.
    """
    try:
        # onnxruntime's own rewrites would cost time and hide ours.
        session = open_session(ir.to_proto(model).SerializeToString(), as_it_stands=True)
        names = [output.name for output in session.get_outputs()]
        return dict(zip(names, session.run(names, dict(feeds)), strict=True))
    except ORT_ERRORS as error:
        reason = " ".join(str(error).split()).rpartition(" : ")[2]
        message = f"{model.graph.name or 'the graph'}: onnxruntime cannot compute it ({reason})"
        raise ExportError(message) from error


def relative_difference(reference: NDArray[Any], found: NDArray[Any]) -> float:
    """Return max|difference| / max|reference|; infinite when the shapes differ, nan for nan."""
    if reference.shape != found.shape:
        return float("inf")
    a, b = reference.astype(np.float64), found.astype(np.float64)
    return float(np.abs(a - b).max(initial=0) / max(float(np.abs(a).max(initial=0)), 1e-30))
