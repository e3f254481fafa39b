"""An ONNX node as an emitter sees it, and what an emitter gives back."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
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
        return self.place(self.integer("axis", default))

    def place(self, axis: int) -> int:
        """Return an axis of the first input counted from the front.

        Raises:
            Unsupported: the input has no such axis.
        """
        rank = len(self.input_shape(0))
        require(-rank <= axis <= rank, f"axis {axis} of {rank}")
        return axis + rank if axis < 0 else axis

    def results(self) -> list[ir.Value]:
        """Return the outputs up to the last one that is read; a Split has all of them."""
        outputs = list(self.node.outputs)
        while len(outputs) > 1 and self.node.op_type != "Split" and not is_read(outputs[-1]):
            outputs.pop()
        return outputs

    def list_or(self, index: int, default: Sequence[int]) -> list[int]:
        """Return an input that is a constant list of integers, or the default when it is absent."""
        if self.value(index) is None:
            return list(default)
        return [int(item) for item in self.required_constant(index, f"input {index}").reshape(-1)]

    def blob(self, index: int = 0) -> str:
        """Return the TNN name of a computed input.

        Raises:
            Unsupported: the input is absent or a constant.
        """
        value = self.value(index)
        if value is None or value not in self.names:
            message = f"input {index} is not computed"
            raise Unsupported(message)
        return self.names[value]

    def layer(
        self, record: LayerRecord, inputs: Sequence[int] = (0,), weights: Sequence[Any] = ()
    ) -> list[Emitted]:
        """Return one layer that reads the inputs at the given places and makes all outputs."""
        return Chain(self).end(record, *map(self.blob, inputs), weights=weights)


class Chain:
    """The layers of a node in the order they are added.

    What lies between them is named after the node's first output with a mark that no other blob's
    name has. Each layer takes the name of its first output, which is unique where node names are
    not.
    """

    def __init__(self, node: OnnxNode) -> None:
        self._outputs = tuple(node.names[value] for value in node.results())
        self._emitted: list[Emitted] = []

    def add(self, record: LayerRecord, *inputs: str, weights: Sequence[Any] = ()) -> str:
        """Add a layer with one output and return the output's name."""
        output = f"{self._outputs[0]}#{len(self._emitted)}"
        self._emitted.append(_layer(record, inputs, (output,), weights))
        return output

    def end(self, record: LayerRecord, *inputs: str, weights: Sequence[Any] = ()) -> list[Emitted]:
        """Return all layers with a last one, which makes the node's outputs."""
        return [*self._emitted, _layer(record, inputs, self._outputs, weights)]

    def done(self, blob: str) -> list[Emitted]:
        """Return all layers, the last of which makes the given blob, as the node's output."""
        last = self._emitted[-1]
        assert last.layer.outputs == (blob,)
        name = self._outputs[0]
        layer = replace(last.layer, name=name, outputs=self._outputs)
        resource = None if last.resource is None else replace(last.resource, layer=name)
        return [*self._emitted[:-1], Emitted(layer, resource)]


def _layer(
    record: LayerRecord, inputs: tuple[str, ...], outputs: tuple[str, ...], weights: Sequence[Any]
) -> Emitted:
    arrays = tuple(np.ascontiguousarray(array, dtype=np.float32) for array in weights)
    layer = Layer(outputs[0], inputs, outputs, record)
    return Emitted(layer, Resource(record.TYPE, layer.name, arrays) if arrays else None)


@dataclass(frozen=True, slots=True)
class Emitter:
    """How one ONNX operator becomes TNN layers, and the attributes it understands.

    integers: the output counts, and is int32 in TNN whatever it is in ONNX.
    """

    emit: Callable[[OnnxNode], list[Emitted]]
    attributes: frozenset[str] = frozenset()
    integers: bool = False


def scalar(number: float, rank: int) -> list[NDArray[np.float32]]:
    """Return the weights of an elementwise layer whose constant is one number."""
    return [np.full([1] * rank, number, dtype=np.float32)]


def is_read(value: ir.Value) -> bool:
    """Return whether a node or the outside reads a value."""
    return bool(value.uses()) or value.is_graph_output()


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
