"""The file in which our own runners leave the outputs of a network.

{"outputs": [{"name": "..", "shape": [..], "dtype": "float32"}, ..]} and a line feed
the values of each of them in this order, little-endian, nothing between them
"""

import json
import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from topformer_cli.bench.formats.outputs import fitting
from topformer_cli.bench.formats.words import plain
from topformer_cli.errors import MeasurementError

DTYPES: Final = ("float32", "float64", "float16", "int64", "int32", "uint8", "int8", "bool")


def decode_outputs(content: bytes) -> dict[str, NDArray[Any]]:
    """Return the tensors of an output file by name.

    Raises:
        MeasurementError: the file is not whole or not of its form.
    """
    head, _, values = content.partition(b"\n")
    tensors: dict[str, NDArray[Any]] = {}
    try:
        announced = json.loads(head)["outputs"]
        start = 0
        for one in announced:
            shape = [_side(side) for side in one["shape"]]
            dtype = np.dtype(DTYPES[DTYPES.index(one["dtype"])]).newbyteorder("<")
            count = math.prod(shape)
            tensor = np.frombuffer(values, dtype, count, start).reshape(shape)
            tensors[str(one["name"])] = tensor.astype(dtype.newbyteorder("="))
            start += count * dtype.itemsize
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        message = f"the runner's output file is not of its form ({plain(str(error))[:80]})"
        raise MeasurementError(message) from error
    if not tensors or len(tensors) != len(announced) or start != len(values):
        message = (
            f"the runner's output file announces {start} bytes in {len(announced)} tensors and "
            f"holds {len(values)}; it may be cut off"
        )
        raise MeasurementError(message)
    return tensors


def fitting_outputs(content: bytes, references: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
    """Return the outputs that are to be held against the references.

    Raises:
        MeasurementError: the file is not whole or not of its form.
    """
    return fitting(decode_outputs(content).values(), references)


def _side(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        message = f"side {value!r}"
        raise ValueError(message)
    return value
