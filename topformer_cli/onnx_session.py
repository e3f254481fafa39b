"""onnxruntime as all parts use it: on the CPU, one operator after the other, errors not printed."""

from pathlib import Path
from typing import Final

import onnxruntime
from onnxruntime import InferenceSession as Session
from onnxruntime.capi import onnxruntime_pybind11_state as state

__all__ = ["ORT_ERRORS", "ORT_VERSION", "Session", "first_line", "open_session"]

ORT_VERSION: Final[str] = onnxruntime.__version__

ORT_ERRORS: Final[tuple[type[Exception], ...]] = (
    state.Fail,
    state.InvalidArgument,
    state.InvalidGraph,
    state.InvalidProtobuf,
    state.NoModel,
    state.NoSuchFile,
    state.NotImplemented,
    state.RuntimeException,
)
"""onnxruntime's errors have no base class of their own."""

_FATAL: Final = 4


def open_session(model: Path | bytes, *, threads: int = 1, as_it_stands: bool = False) -> Session:
    """Load an ONNX file or its bytes.

    as_it_stands: without onnxruntime's own rewrites of the graph.

    Raises:
        ORT_ERRORS: onnxruntime cannot load it.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = _FATAL
    if as_it_stands:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    source = model if isinstance(model, bytes) else str(model)
    return Session(source, sess_options=options, providers=["CPUExecutionProvider"])


def first_line(error: Exception) -> str:
    """Return what an error says first, or its class."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)[:200]
