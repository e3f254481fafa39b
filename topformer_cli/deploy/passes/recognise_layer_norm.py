"""Recognise the layer normalisation that was written as means and a root."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import onnx_ir as ir

from topformer_cli.deploy.constants import constant_of, new_constant
from topformer_cli.deploy.passes.parts.match import (
    Findings,
    only_reader,
    producer,
    replace_by,
    static_dimension,
    variable_and_scalar,
)
from topformer_cli.deploy.passes.parts.outcome import Outcome

_OPSET: Final = 17


def recognise_layer_norm(model: ir.Model) -> Outcome:
    """Replace the steps of a layer normalisation by the operator.

    Given: d / sqrt(mean(d^2) + eps) * gamma + beta with d = x - mean(x), means over the last axis
    Result: LayerNormalization(x, gamma, beta, eps); gamma is 1 and beta absent where they are no
    constants of the axis's size
    """
    findings = Findings()
    opset = model.opset_imports.get("", 0)
    for node in list(model.graph):
        if node.graph is None or (match := _match(node)) is None:
            continue
        reason = match.obstacle()
        if opset < _OPSET:
            reason = f"opset {opset} has no LayerNormalization; {_OPSET} is needed"
        if findings.settle(node, reason):
            _replace(model.graph, match)
    return findings.outcome()


@dataclass(slots=True)
class _Match:
    x: ir.Value
    nodes: list[ir.Node]
    axes: tuple[list[int] | None, list[int] | None]
    epsilon: float

    def obstacle(self) -> str:
        """Return why the axes are not those of a layer normalisation, or nothing."""
        rank = len(self.x.shape or ())
        first, second = ([a % rank for a in axes] if axes else axes for axes in self.axes)
        if not first or first != second:
            return "its two means go over different axes, or drop them"
        if first != [rank - 1]:
            return f"its means go over axes {first}, not over the last one"
        if static_dimension(self.x, rank - 1) is None or self.x.dtype != ir.DataType.FLOAT:
            return "the size of its last axis is not static, or its type is not float32"
        kept = set(self.nodes)
        for node in self.nodes[:-1]:
            value = node.outputs[0]
            outside = [use.node for use in value.uses() if use.node not in kept]
            if outside or value.is_graph_output():
                return f"{value.name} is also read elsewhere"
        return ""


def _match(last: ir.Node) -> _Match | None:
    """Match d / sqrt(mean(d^2) + eps); the root may also be a Reciprocal and a factor."""
    if last.op_type not in ("Div", "Mul") or len(last.inputs) != 2:
        return None
    inverse = producer(last.inputs[1], "Reciprocal") if last.op_type == "Mul" else None
    if last.op_type == "Mul" and inverse is None:
        return None
    root = producer(inverse.inputs[0] if inverse else last.inputs[1], "Sqrt")
    add = producer(root.inputs[0], "Add") if root else None
    stabilised = variable_and_scalar(add) if add else None
    variance = producer(stabilised[0], "ReduceMean") if stabilised else None
    square = producer(variance.inputs[0], "Pow", "Mul") if variance else None
    centre = producer(last.inputs[0], "Sub")
    mean = producer(centre.inputs[1], "ReduceMean") if centre else None
    if not (root and add and stabilised and variance and square and centre and mean):
        return None
    x, deviation = centre.inputs[0], centre.outputs[0]
    if x is None or mean.inputs[0] is not x or not _squares(square, deviation):
        return None
    chain = [mean, centre, square, variance, add, root, *([inverse] if inverse else []), last]
    return _Match(x, chain, (_axes(mean), _axes(variance)), stabilised[1])


def _squares(node: ir.Node, value: ir.Value) -> bool:
    if node.op_type == "Mul":
        return node.inputs[0] is value and node.inputs[1] is value
    exponent = constant_of(node.inputs[1])
    return node.inputs[0] is value and exponent is not None and bool(np.all(exponent == 2))


def _axes(mean: ir.Node) -> list[int] | None:
    """Return the axes of a mean that keeps its dimensions; None for another."""
    if not mean.attributes.get_int("keepdims", 1):
        return None
    if "axes" in mean.attributes:
        return list(mean.attributes.get_ints("axes", []))
    axes = constant_of(mean.inputs[1]) if len(mean.inputs) > 1 else None
    return None if axes is None else [int(axis) for axis in axes.reshape(-1)]


def _replace(graph: ir.Graph, match: _Match) -> None:
    size = static_dimension(match.x, len(match.x.shape or ()) - 1)
    assert size is not None
    nodes, weights = list(match.nodes), []
    for op_type in ("Mul", "Add"):
        reader = _next(nodes[-1], op_type)
        weight = _weight(reader, size) if reader is not None else None
        if reader is None or weight is None:
            break
        nodes.append(reader)
        weights.append(weight)
    if not weights:
        ones = np.ones(size, np.float32)
        weights = [new_constant(graph, f"{nodes[-1].outputs[0].name}.scale", ones)]
    attributes = [ir.AttrInt64("axis", -1), ir.AttrFloat32("epsilon", match.epsilon)]
    name = nodes[-1].name
    replace_by(
        graph, nodes, ir.Node("", "LayerNormalization", [match.x, *weights], attributes, name=name)
    )


def _next(node: ir.Node, op_type: str) -> ir.Node | None:
    """Return the only reader of a node's result, if it is an operator of the type."""
    reader = only_reader(node.outputs[0])
    return reader if reader is not None and reader.op_type == op_type else None


def _weight(node: ir.Node, size: int) -> ir.Value | None:
    for value in node.inputs:
        array = constant_of(value)
        if array is not None and array.shape == (size,):
            return value
    return None
