"""An ONNX node as an emitter sees it, and what an emitter gives back."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from topformer_cli.deploy.constants import constant_of
from topformer_cli.deploy.tnn.layers.record import LayerRecord
from topformer_cli.deploy.tnn.network import Layer, Resource


class Unsupported(Exception):  # noqa: N818 - a finding that the preflight collects, never shown alone
    """Why a node cannot be written as TNN layers."""


@dataclass(frozen=True, slots=True)
class Emitted:
    """A layer and its weights, if it has any."""

    layer: Layer
    resource: Resource | None = None


@dataclass(frozen=True, slots=True)
class OnnxNode:
    """A node whose values have TNN names and static shapes."""

    node: ir.Node
    names: Mapping[ir.Value, str]

    def value(self, index: int) -> ir.Value | None:
        """Return an input, or None when it is absent."""
        return self.node.inputs[index] if index < len(self.node.inputs) else None

    def constant(self, index: int) -> NDArray[Any] | None:
        """Return an input's array if it is a constant."""
        return constant_of(self.value(index))

    def required_constant(self, index: int, what: str) -> NDArray[Any]:
        """Return an input's array.

        Raises:
            Unsupported: the input is absent or computed at run time.
        """
        array = self.constant(index)
        if array is None:
            message = f"{what} is not a constant"
            raise Unsupported(message)
        return array

    def input_shape(self, index: int) -> tuple[int, ...]:
        """Return the static shape of an input."""
        return static_shape(self.value(index))

    def output_shape(self, index: int = 0) -> tuple[int, ...]:
        """Return the static shape of an output."""
        return static_shape(self.node.outputs[index])

    def integer(self, name: str, default: int) -> int:
        """Return an integer attribute."""
        return self.node.attributes.get_int(name, default)

    def integers(self, name: str, default: Sequence[int]) -> list[int]:
        """Return an attribute that is a list of integers."""
        return list(self.node.attributes.get_ints(name, default))

    def number(self, name: str, default: float) -> float:
        """Return a float attribute, rounded to float32 as TNN stores it."""
        return float(np.float32(self.node.attributes.get_float(name, default)))

    def text(self, name: str, default: str) -> str:
        """Return a string attribute."""
        return self.node.attributes.get_string(name, default)

    def axis(self, default: int) -> int:
        """Return the axis attribute counted from the front."""
        axis, rank = self.integer("axis", default), len(self.input_shape(0))
        return axis + rank if axis < 0 else axis

    def layer(
        self, record: LayerRecord, inputs: Sequence[int] = (0,), weights: Sequence[Any] = ()
    ) -> list[Emitted]:
        """Return one layer that reads the inputs at the given places and makes all outputs.

        The layer takes the name of its first output, which is unique where node names are not.
        """
        values = [self.value(index) for index in inputs]
        layer = Layer(
            name=self.names[self.node.outputs[0]],
            inputs=tuple(self.names[value] for value in values if value is not None),
            outputs=tuple(self.names[value] for value in self.node.outputs),
            record=record,
        )
        arrays = tuple(np.ascontiguousarray(array, dtype=np.float32) for array in weights)
        return [Emitted(layer, Resource(record.TYPE, layer.name, arrays) if arrays else None)]


@dataclass(frozen=True, slots=True)
class Emitter:
    """How one ONNX operator becomes TNN layers, and the attributes it understands."""

    emit: Callable[[OnnxNode], list[Emitted]]
    attributes: frozenset[str] = frozenset()


def static_shape(value: ir.Value | None) -> tuple[int, ...]:
    """Return the shape of a value whose dimensions are all known.

    Raises:
        Unsupported: the value is absent or has a dimension without a number.
    """
    dims = value.shape.dims if value is not None and value.shape is not None else (None,)
    sizes = tuple(size for size in dims if isinstance(size, int))
    if len(sizes) != len(dims):
        message = f"the shape of {value.name if value else 'an absent input'!r} is not static"
        raise Unsupported(message)
    return sizes


def require(holds: bool, message: str) -> None:
    """Refuse a node.

    Raises:
        Unsupported: the condition does not hold.
    """
    if not holds:
        raise Unsupported(message)
