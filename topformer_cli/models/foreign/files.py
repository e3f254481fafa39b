"""The named tensors of a weights file, whoever wrote it; nothing in a file is ever run.

PyTorch's files are read with weights_only, safetensors hold nothing to run, and .pdparams have a
reader of their own.
"""

import argparse
import pickle
import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

import torch
from torch import Tensor

from topformer_cli.errors import DataError
from topformer_cli.models.checkpoint import read_safetensors
from topformer_cli.models.foreign.pdparams import asks_for, read_pdparams

Form = Literal["PyTorch", "PaddlePaddle", "safetensors"]
SUFFIXES: Final = (".safetensors", ".pth", ".pt", ".pdparams", ".bin")
"""What weights files are called like."""

_NETWORKS: Final = ("state_dict_ema", "state_dict", "model")
"""What a training's file has its weights under; of several the first is taken."""

_GLOBAL: Final = re.compile(r"GLOBAL (\S+?)[.,]?(?:\s|$)")


@dataclass(frozen=True, slots=True)
class WeightFile:
    """A file's tensors under its own names, and what it says beside them.

    note: which of several networks in it these are, as the end of a sentence.
    """

    form: Form
    tensors: Mapping[str, Tensor]
    meta: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""


def read_file(path: Path) -> WeightFile:
    """Read a weights file by what its name ends with; any other ending is taken for PyTorch's.

    Raises:
        DataError: it is damaged, holds no named tensors, or asks for something to be run.
    """
    try:
        found = _READERS.get(path.suffix.lower(), _pytorch)(path)
    except OSError as error:
        message = f"{path} cannot be read ({error.strerror or error}); check it, its permissions"
        raise DataError(message) from error
    if not found.tensors:
        message = f"{path} holds no named tensors"
        raise DataError(message)
    return found


def require_content(path: Path) -> None:
    """Refuse what is no file, and a file without a byte.

    Raises:
        DataError: says which.
    """
    if path.is_dir():
        message = f"{path} is a folder; name the weights file in it"
        raise DataError(message)
    if not path.is_file():
        message = f"no weights file {path}"
        raise DataError(message)
    if path.stat().st_size == 0:
        message = f"{path} is empty; download or copy it again"
        raise DataError(message)


def _safetensors(path: Path) -> WeightFile:
    _, tensors = read_safetensors(path)
    return WeightFile("safetensors", _named(tensors))


def _paddle(path: Path) -> WeightFile:
    tensors = {name: torch.from_numpy(_native(one)) for name, one in read_pdparams(path).items()}
    return WeightFile("PaddlePaddle", tensors)


def _native(array: Any) -> Any:  # noqa: ANN401 - NumPy's types of arrays differ by element
    """Return an array in this machine's byte order, which torch needs."""
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _pytorch(path: Path) -> WeightFile:
    try:
        # timm keeps its command line beside the weights, as a Namespace: plain attributes.
        with torch.serialization.safe_globals([argparse.Namespace]), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's words about the pickle's protocol
            content = torch.load(path, map_location="cpu", weights_only=True)
    except (
        pickle.UnpicklingError, RuntimeError, EOFError, ValueError, OSError, LookupError, TypeError,
        AttributeError, AssertionError,
    ) as error:  # fmt: skip
        if asked := _GLOBAL.search(str(error)):
            raise DataError(asks_for(path, asked[1])) from error
        message = (
            f"{path} is damaged, or no checkpoint of plain tensors "
            f"({type(error).__name__}; -v shows more); download or copy it again"
        )
        raise DataError(message) from error
    if isinstance(content, dict):
        there = [key for key in _NETWORKS if isinstance(content.get(key), dict)]
        if there:
            meta = content.get("meta")
            note = f"; of {there[0]}, beside which the file has {there[1]}" if there[1:] else ""
            return WeightFile(
                "PyTorch", _named(content[there[0]]), meta if isinstance(meta, dict) else {}, note
            )
    return WeightFile("PyTorch", _named(content))


def _named(state: Any) -> dict[str, Tensor]:  # noqa: ANN401 - a file holds anything
    named = state.items() if isinstance(state, Mapping) else ()
    return {
        str(name).removeprefix("module."): value
        for name, value in named
        if isinstance(value, Tensor)
    }


_READERS: Final[Mapping[str, Callable[[Path], WeightFile]]] = {
    ".safetensors": _safetensors,
    ".pdparams": _paddle,
}
"""How a file's name ends -> how it is read."""
