"""Files around a LiteRT model: the model itself, its input and its output as raw bytes."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from topformer_cli.errors import DataError, MeasurementError

IDENTIFIER: Final = b"TFL3"
"""What stands at byte 4 of a LiteRT file."""

REMEDY: Final = "write one with `topformer export --format tflite`"

_LABELS: Final = {8: np.int64, 4: np.int32, 1: np.uint8}
"""Bytes of one label -> its type."""


def model_files(artifact: Path) -> tuple[Path, ...]:
    """Return the one file of a LiteRT model.

    Raises:
        DataError: it is missing, or no LiteRT file.
    """
    try:
        with artifact.open("rb") as file:
            head = file.read(8)
    except OSError as error:
        message = f"{artifact} cannot be read ({error.strerror}); {REMEDY}"
        raise DataError(message) from error
    if head[4:] != IDENTIFIER:
        message = f"{artifact} is no LiteRT file (the mark TFL3 is missing); {REMEDY}"
        raise DataError(message)
    return (artifact,)


def encode_input(inputs: NDArray[Any]) -> bytes:
    """Return an array as raw little-endian bytes: uint8 as they are, floats as float32."""
    kind = np.uint8 if inputs.dtype == np.uint8 else np.dtype("<f4")
    return np.ascontiguousarray(inputs, dtype=kind).tobytes()


def fitting_outputs(content: bytes, references: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
    """Return the first and only output in the shape of the one reference.

    Logits are float32; the type of labels (int64, int32 or uint8) follows from the file's size.

    Raises:
        MeasurementError: the file has another size, or there are more references.
    """
    if len(references) != 1:
        message = f"the program writes one output, {len(references)} are to be compared"
        raise MeasurementError(message)
    [reference] = references
    count = math.prod(reference.shape)
    if np.issubdtype(reference.dtype, np.integer):
        sizes = {count * width: np.dtype(kind) for width, kind in _LABELS.items()}
    else:
        sizes = {count * 4: np.dtype(np.float32)}
    kind = sizes.get(len(content))
    if kind is None or not content:
        wanted = " or ".join(str(size) for size in sizes)
        message = (
            f"the output file holds {len(content)} bytes, {wanted} are needed for "
            f"{'x'.join(str(side) for side in reference.shape)} values; it is cut off, or the "
            "model has another output"
        )
        raise MeasurementError(message)
    values = np.frombuffer(content, kind.newbyteorder("<")).reshape(reference.shape)
    return [values.astype(kind)]
