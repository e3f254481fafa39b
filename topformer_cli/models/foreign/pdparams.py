"""PaddlePaddle's .pdparams: a pickle of NumPy arrays, read without NumPy's or anybody's code.

`paddle.save` writes {name: array, "StructuredToParameterName@@": {name: name}}, or a tuple (name,
array) in place of an array (PaddlePaddle/Paddle, python/paddle/framework/io.py). What such a
pickle may name is listed here, and each name stands for code of ours that takes plain values only;
a pickle that names anything else is refused before that is looked up.
"""

import io
import math
import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, NoReturn

import numpy as np
from numpy.typing import NDArray

from topformer_cli.errors import DataError

NAME_TABLE: Final = "StructuredToParameterName@@"
ELEMENTS: Final = frozenset({"f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "b1"})
"""The element types that weights have; none of them holds objects."""


class Forbidden(Exception):  # noqa: N818 - caught below, never shown as it is
    """A pickle that names what no weights need."""


class _Dtype:
    """What stands for numpy.dtype."""

    __slots__ = ("code", "order")

    def __init__(self, code: object) -> None:
        if code not in ELEMENTS:
            message = f"elements of type {code!r}"
            raise ValueError(message)
        self.code = str(code)
        self.order = "|"

    def __setstate__(self, state: object) -> None:
        if not (isinstance(state, tuple) and len(state) >= 2 and state[1] in ("<", ">", "|", "=")):
            message = "a damaged element type"
            raise ValueError(message)
        self.order = state[1]


class _Array:
    """What stands for numpy.ndarray: empty at first, filled by its state."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value: NDArray[Any] | None = None

    def __setstate__(self, state: object) -> None:
        _, shape, dtype, by_columns, data = _as_tuple(state, 5)
        self.value = _filled(data, dtype, shape, "F" if by_columns else "C")


class _Named:
    """A name that a pickle may use: it can be called, and nothing else can be done with it."""

    __slots__ = ("_call",)

    def __init__(self, call: Callable[..., object]) -> None:
        self._call = call

    def __call__(self, *values: object) -> object:
        return self._call(*values)

    def __setstate__(self, state: object) -> NoReturn:
        message = "a name that is written to"
        raise Forbidden(message)


def _as_tuple(value: object, length: int) -> tuple[Any, ...]:
    if not isinstance(value, tuple) or len(value) != length:
        message = "a damaged array"
        raise ValueError(message)
    return value


def _filled(data: object, dtype: object, shape: object, order: object) -> NDArray[Any]:
    """Return an array of plain bytes; its size is checked before anything is allocated."""
    raw = data.encode("latin1") if isinstance(data, str) else data
    if not (isinstance(dtype, _Dtype) and isinstance(raw, bytes | bytearray)):
        message = "an array without plain bytes"
        raise ValueError(message)
    sides = (shape,) if isinstance(shape, int) else shape
    if not (isinstance(sides, tuple) and all(isinstance(one, int) and one >= 0 for one in sides)):
        message = f"an array of shape {shape!r}"
        raise ValueError(message)
    kind = np.dtype(dtype.order + dtype.code)
    if math.prod(sides) * kind.itemsize != len(raw):
        message = f"an array of shape {sides} in {len(raw)} bytes"
        raise ValueError(message)
    return np.frombuffer(raw, kind).reshape(sides, order="F" if order == "F" else "C").copy()


def _encoded(text: object, coding: object) -> bytes:
    """Return what protocol 2 writes bytes as: text, of which each letter is a byte."""
    if not isinstance(text, str) or coding != "latin1":
        message = "damaged bytes"
        raise ValueError(message)
    return text.encode("latin1")


def _empty_array(*_: object) -> _Array:
    return _Array()


def _dtype(code: object, *_: object) -> _Dtype:
    return _Dtype(code)


def _plain_tuple(items: object = ()) -> tuple[object, ...]:
    return tuple(items) if isinstance(items, tuple | list) else ()


def _no_bytes() -> bytes:
    """Return what protocol 2 writes no bytes as."""
    return b""


def _empty_dict() -> dict[object, object]:
    return {}


_NAMES: Final[Mapping[tuple[str, str], _Named]] = {
    **{
        (f"numpy.{core}.{module}", name): _Named(call)
        for core in ("core", "_core")
        for module, name, call in (
            ("multiarray", "_reconstruct", _empty_array),
            ("numeric", "_frombuffer", _filled),
        )
    },
    ("numpy", "ndarray"): _Named(_empty_array),
    ("numpy", "dtype"): _Named(_dtype),
    ("_codecs", "encode"): _Named(_encoded),
    **{(module, "tuple"): _Named(_plain_tuple) for module in ("builtins", "__builtin__")},
    ("__builtin__", "bytes"): _Named(_no_bytes),
    ("collections", "OrderedDict"): _Named(_empty_dict),
}
"""Module and name in a pickle -> what stands for it."""


class _Unpickler(pickle.Unpickler):
    def find_class(self, module_name: str, global_name: str) -> object:
        """Return what stands for a name.

        Raises:
            Forbidden: no weights need it.
        """
        known = _NAMES.get((module_name, global_name))
        if known is None:
            message = f"{module_name}.{global_name}"
            raise Forbidden(message)
        return known

    def persistent_load(self, pid: object) -> NoReturn:
        """Refuse what lies outside of the file."""
        message = f"something outside of it, {pid!r}"
        raise Forbidden(message)


def read_pdparams(path: Path) -> dict[str, NDArray[Any]]:
    """Return the named arrays of a .pdparams file.

    Raises:
        OSError: it cannot be read.
        DataError: it is damaged, or names something that weights have no use for.
    """
    content = path.read_bytes()
    try:
        # Of Python 2's strings, each letter is a byte.
        found = _Unpickler(io.BytesIO(content), encoding="latin1").load()
    except Forbidden as refused:
        raise DataError(asks_for(path, str(refused))) from refused
    except (
        pickle.UnpicklingError, EOFError, ValueError, TypeError, LookupError, AttributeError,
        ArithmeticError, MemoryError,
    ) as error:  # fmt: skip
        message = f"{path} is damaged, or no pickle of plain arrays; download or copy it again"
        raise DataError(message) from error
    if not isinstance(found, dict):
        return {}
    named = {str(name): _array_of(value) for name, value in found.items() if name != NAME_TABLE}
    return {name: array for name, array in named.items() if array is not None}


def asks_for(path: Path, what: str) -> str:
    """Say that a file was refused for what it asks for."""
    return (
        f"{path} asks for {what}, which weights have no use for: nothing of it was run; do not use "
        "it, get the file from its publisher, or save state_dict() where a model was saved whole"
    )


def _array_of(value: object) -> NDArray[Any] | None:
    if isinstance(value, tuple) and len(value) == 2:
        value = value[1]
    if isinstance(value, _Array):
        return value.value
    return value if isinstance(value, np.ndarray) else None
