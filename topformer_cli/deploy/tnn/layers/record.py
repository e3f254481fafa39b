"""What every layer record is: the parameters of one TNN layer type, in the order of the file.

A record is a frozen dataclass whose fields are the parameters. In the text form an int and a float
are one word each; a tuple of ints is its length followed by its items.
"""

import abc
import enum
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, fields
from typing import Any, ClassVar, Self

import numpy as np
from torch import Tensor


class Payload(enum.Enum):
    """How the weights of a layer lie in a .tnnmodel file."""

    TENSOR = "tensor"
    PAIR = "tensor, tensor"
    NAMED = "name, tensor"
    NAMED_PAIR = "name, tensor, tensor"
    CONVOLUTION = "name, has bias, weight, bias"

    @property
    def named(self) -> bool:
        """Whether the layer's name comes once more."""
        return self.value.startswith("name")

    @property
    def tensors(self) -> int:
        """How many tensors there are at least; a convolution's bias may follow."""
        return 2 if self in (Payload.PAIR, Payload.NAMED_PAIR) else 1


@dataclass(frozen=True, slots=True)
class LayerRecord(abc.ABC):
    """The parameters of one layer and the reference computation they stand for.

    TYPE is the word in the .tnnproto file, CODE the number in the .tnnmodel file (TNN's
    core/layer_type.h).
    """

    TYPE: ClassVar[str]
    CODE: ClassVar[int]
    PAYLOAD: ClassVar[Payload] = Payload.TENSOR
    TNN_DEFAULTS: ClassVar[Mapping[str, float]] = {}
    """What TNN takes for trailing parameters that a file leaves out, where a field has no default
    or another one."""

    @abc.abstractmethod
    def compute(self, inputs: Sequence[Tensor], weights: Sequence[Tensor]) -> Sequence[Tensor]:
        """Compute the outputs in float32 as TNN defines them.

        Raises:
            ValueError: parameters that TNN does not compute, or that do not fit the inputs.
        """

    def weight_count(self, inputs: int) -> int:  # noqa: ARG002 - some types need it
        """Return how many weight tensors the layer has when it has so many inputs."""
        return 0

    def words(self) -> list[str]:
        """Return the parameters as the words of the text form."""
        words: list[str] = []
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, tuple):
                words += [str(len(value)), *map(str, value)]
            else:
                words.append(_float_word(value) if field.type is float else str(value))
        return words

    @classmethod
    def parse(cls, words: Sequence[str]) -> Self:
        """Read the parameters from the words of the text form; trailing ones may be missing.

        Raises:
            ValueError: names the parameter that is missing or malformed, or the words left over.
        """
        values: dict[str, Any] = {}
        position = 0
        for field in fields(cls):
            if position >= len(words) and field.name in cls.TNN_DEFAULTS:
                values[field.name] = cls.TNN_DEFAULTS[field.name]
                continue
            if position >= len(words) and field.default is not MISSING:
                continue
            values[field.name], position = _parse_field(field, words, position)
        if position < len(words):
            message = f"{len(words) - position} words too many, from {words[position][:40]!r}"
            raise ValueError(message)
        return cls(**values)


def _parse_field(field: "Field[Any]", words: Sequence[str], position: int) -> tuple[Any, int]:
    if position >= len(words):
        message = f"parameter {field.name} is missing"
        raise ValueError(message)
    if field.type is float:
        return _parse_float(field.name, words[position]), position + 1
    first = _parse_int(field.name, words[position])
    if field.type is int:
        return first, position + 1
    end = position + 1 + first
    if first < 0 or end > len(words):
        message = (
            f"parameter {field.name} announces {first} items, {len(words) - position - 1} left"
        )
        raise ValueError(message)
    return tuple(_parse_int(field.name, word) for word in words[position + 1 : end]), end


def _parse_int(name: str, word: str) -> int:
    digits = word.removeprefix("-")
    if not (digits.isascii() and digits.isdigit()) or not -(2**31) <= int(word[:12]) < 2**31:
        message = f"parameter {name} is {word[:40]!r}, not a 32-bit integer"
        raise ValueError(message)
    return int(word)


def _parse_float(name: str, word: str) -> float:
    try:
        value = float(word)
    except ValueError:
        value = float("nan")
    with np.errstate(over="ignore"):
        rounded = np.float32(value)
    if not np.isfinite(rounded):
        message = f"parameter {name} is {word[:40]!r}, not a finite float32"
        raise ValueError(message)
    return float(rounded)


def _float_word(value: float) -> str:
    # The shortest text that gives the same float32 back; TNN's own tool keeps six digits only.
    return str(np.float32(value))
