"""Networks of the engines that run on this machine: onnxruntime, PyTorch, LiteRT."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from topformer_cli.bench.host.litert import open_litert
from topformer_cli.errors import DataError
from topformer_cli.onnx_session import ORT_ERRORS, ORT_VERSION, first_line, open_session

_TORCH_ERRORS: Final = (
    OSError, RuntimeError, ValueError, LookupError, TypeError, AttributeError, BadZipFile
)  # fmt: skip
"""What torch.export.load raises for damaged archives; it has no class of its own for them."""

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Network:
    """A loaded network: an array of this shape and type in, arrays by name out.

    Names of inputs and outputs are the engine's own. origin: the engine and its version.
    """

    origin: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    infer: Callable[[NDArray[Any]], Arrays]


def open_onnx(path: Path, threads: int) -> Network:
    """Open an ONNX file in onnxruntime, operators one after the other.

    Raises:
        DataError: onnxruntime cannot load it.
    """
    try:
        session = open_session(path, threads=threads)
    except ORT_ERRORS as error:
        message = f"{path.name}: onnxruntime cannot load it ({first_line(error)}); export it again"
        raise DataError(message) from error
    [first, *_] = session.get_inputs()
    names = [one.name for one in session.get_outputs()]

    def infer(inputs: NDArray[Any]) -> Arrays:
        return dict(zip(names, session.run(names, {first.name: inputs}), strict=True))

    dtype = np.dtype(np.uint8 if "uint8" in first.type else np.float32)
    return Network(f"onnxruntime {ORT_VERSION}", tuple(first.shape), dtype, infer)


def open_torch(path: Path, threads: int) -> Network:
    """Open a program of `torch.export` in PyTorch, run operator by operator.

    Raises:
        DataError: PyTorch cannot load it.
    """
    import torch

    torch.set_num_threads(threads)
    try:
        program = torch.export.load(path)
        [taken] = program.example_inputs[0]
    except _TORCH_ERRORS as error:
        message = f"{path.name}: PyTorch cannot load it ({first_line(error)}); export it again"
        raise DataError(message) from error
    module = program.module()

    def infer(inputs: NDArray[Any]) -> Arrays:
        with torch.inference_mode():
            outputs = module(torch.from_numpy(inputs))
            several = outputs if isinstance(outputs, tuple) else (outputs,)
            return {f"output{index}": one.numpy() for index, one in enumerate(several)}

    dtype = np.dtype(np.uint8 if taken.dtype == torch.uint8 else np.float32)
    return Network(f"torch {torch.__version__}", tuple(taken.shape), dtype, infer)


def open_tflite(path: Path, threads: int) -> Network:
    """Open a LiteRT file in LiteRT's interpreter, XNNPACK included.

    Raises:
        UsageError: LiteRT is not installed; says what to type.
        DataError: the file is damaged.
        MeasurementError: LiteRT cannot run it.
    """
    opened = open_litert(path, threads)

    def infer(inputs: NDArray[Any]) -> Arrays:
        return {f"output{index}": one for index, one in enumerate(opened.infer(inputs))}

    return Network(f"LiteRT {opened.version}", opened.shape, opened.dtype, infer)


OPENERS: Final[Mapping[str, Callable[[Path, int], Network]]] = {
    "onnxruntime": open_onnx,
    "torch": open_torch,
    "litert": open_tflite,
}
"""`--engine` on this host -> how its file is opened, with so many threads."""
