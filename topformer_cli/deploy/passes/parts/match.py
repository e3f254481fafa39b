"""Questions that rewrites ask about a graph, and the edits they share."""

from dataclasses import dataclass, field

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from topformer_cli.deploy.constants import constant_of, new_constant, scalar_of
from topformer_cli.deploy.onnx_graph import node_name
from topformer_cli.deploy.passes.parts.outcome import Outcome, Refusal

Vector = NDArray[np.float64]
"""One number a channel, shape [C]; folded in float64, written in float32."""


@dataclass(slots=True)
class Findings:
    """What one run of a rewrite matched and refused so far."""

    matched: list[str] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)

    def settle(self, node: ir.Node, reason: str) -> bool:
        """Note a place as matched when there is no reason against it; return whether it is."""
        if reason:
            self.refused.append(Refusal(node_name(node), reason))
        else:
            self.matched.append(node_name(node))
        return not reason

    def outcome(self) -> Outcome:
        """Return the findings as the rewrite's result."""
        return Outcome(tuple(self.matched), tuple(self.refused))


def read_once(value: ir.Value) -> bool:
    """Tell whether one input of one node reads a value, and no output of the graph is it."""
    return len(value.uses()) == 1 and not value.is_graph_output()


def read_elsewhere(value: ir.Value) -> str:
    """Return why a value cannot change, if more than one reader would see it, or nothing."""
    if value.is_graph_output():
        return f"{value.name} is an output of the graph"
    readers = [node_name(use.node) for use in value.uses()]
    if len(readers) < 2:
        return ""
    return f"{value.name} is read {len(readers)} times: by {', '.join(readers[:3])}"


def sole_producer(value: ir.Value | None, *op_types: str) -> ir.Node | None:
    """Return the node of one of the types that makes a value which nobody else reads."""
    if value is None or not read_once(value):
        return None
    return producer(value, *op_types)


def producer(value: ir.Value | None, *op_types: str) -> ir.Node | None:
    """Return the node that makes a value, if it is an ONNX operator of one of the types."""
    node = value.producer() if value is not None else None
    if node is None or node.domain not in ("", "ai.onnx") or node.op_type not in op_types:
        return None
    return node


def only_reader(value: ir.Value) -> ir.Node | None:
    """Return the node that reads a value, if nothing else does and no output of the graph is it."""
    return next(iter(value.consumers())) if read_once(value) else None


def sole_reader(value: ir.Value, *op_types: str) -> ir.Node | None:
    """Return the node of one of the types that reads a value as its first input, if alone."""
    if not read_once(value):
        return None
    (use,) = value.uses()
    return use.node if use.idx == 0 and use.node.op_type in op_types else None


def variable_and_scalar(node: ir.Node) -> tuple[ir.Value, float] | None:
    """Return the computed operand of a node with two, and the other's number if it is one."""
    left, right = node.inputs
    for value, other in ((left, right), (right, left)):
        number = scalar_of(other)
        if value is not None and number is not None and constant_of(value) is None:
            return value, number
    return None


def close_to(number: float | None, wanted: float) -> bool:
    """Tell whether a number is the wanted one as far as float32 and printed digits go."""
    return number is not None and abs(number - wanted) <= 1e-5 * max(1.0, abs(wanted))


def static_dimension(value: ir.Value | None, axis: int) -> int | None:
    """Return one dimension of a value, or None where it is unknown."""
    shape = value.shape if value is not None else None
    size = shape[axis] if shape is not None and len(shape) > axis else None
    return size if isinstance(size, int) else None


def channel_constant(value: ir.Value | None, like: ir.Value) -> Vector | None:
    """Return the [C] numbers of a constant with one number for each channel (axis 1) of a value.

    None where it is no constant, or says more or less than that; a single number counts.
    """
    array, channels = constant_of(value), static_dimension(like, 1)
    rank = len(like.shape) if like.shape is not None else 0
    if array is None or channels is None or array.ndim > rank or array.dtype != np.float32:
        return None
    full = array.reshape((1,) * (rank - array.ndim) + array.shape)
    if full.size != full.shape[1] or full.size not in (1, channels):
        return None
    return np.broadcast_to(full.reshape(-1).astype(np.float64), (channels,)).copy()


def float32_constant(
    graph: ir.Graph, name: str, array: NDArray[np.float64] | np.float64
) -> ir.Value:
    """Add a constant of float64 numbers to the graph in float32."""
    return new_constant(graph, name, np.asarray(array, np.float32))


def bypass(graph: ir.Graph, node: ir.Node, value: ir.Value) -> None:
    """Remove a node; who read its output reads the value, which takes its name as an output.

    The value must be neither input nor output of the graph where the output is one.
    """
    output = node.outputs[0]
    if output.is_graph_output():
        value.name = output.name
    output.replace_all_uses_with(value, replace_graph_outputs=True)
    graph.remove(node, safe=True)


def replace_by(graph: ir.Graph, old: list[ir.Node], new: ir.Node) -> None:
    """Put a node in the place of several, of which the last one made the result."""
    ir.convenience.replace_nodes_and_values(
        graph, old[-1], old[::-1], [new], [old[-1].outputs[0]], [new.outputs[0]]
    )
