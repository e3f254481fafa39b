"""Bring attention into the form that transposes least."""

from dataclasses import dataclass
from typing import Final

import onnx_ir as ir

from topformer_cli.deploy.passes.parts.match import (
    Findings,
    producer,
    read_once,
    replace_by,
    sole_producer,
    variable_and_scalar,
)
from topformer_cli.deploy.passes.parts.outcome import Outcome

_OPSET: Final = 13
_SCALES: Final = ("Mul", "Div")


def one_permute_attention(model: ir.Model) -> Outcome:
    """Hold the attention map transposed where that saves transpositions of its operands.

    Given: (softmax over the last axis (Q^T K) V^T)^T, three transpositions; a scale may lie between
    Result: V softmax over the last axis but one (K^T Q), one transposition
    """
    findings = Findings()
    opset = model.opset_imports.get("", 0)
    for node in list(model.graph):
        match = _match(node)
        if match is None:
            continue
        operands = (*match.scores.inputs, match.mixed.inputs[1])
        swapped = sum(_swapped(value) is not None for value in operands)
        reason = match.obstacle()
        if opset < _OPSET:
            reason = f"opset {opset} has no softmax over one axis alone; {_OPSET} is needed"
        if not reason and 3 - swapped >= 1 + swapped:
            reason = f"it would need {3 - swapped} transpositions and has {1 + swapped}"
        if findings.settle(node, reason):
            _rewrite(model.graph, match)
    return findings.outcome()


@dataclass(frozen=True, slots=True)
class _Match:
    last: ir.Node
    mixed: ir.Node
    softmax: ir.Node
    scale: ir.Node | None
    scores: ir.Node

    def obstacle(self) -> str:
        """Return why the map cannot be held transposed, or nothing."""
        rank = len(self.softmax.outputs[0].shape or ())
        axis = self.softmax.attributes.get_int("axis", -1)
        if axis not in (-1, rank - 1):
            return f"its softmax goes over axis {axis}, not over the last one"
        chain = [self.mixed, self.softmax, self.scores, *([self.scale] if self.scale else [])]
        for node in chain:
            if not read_once(node.outputs[0]):
                return f"{node.outputs[0].name} is also read elsewhere"
        return ""


def _match(last: ir.Node) -> _Match | None:
    """Match Transpose(MatMul(Softmax(scale * MatMul)))."""
    mixed = producer(last.inputs[0], "MatMul") if _swaps(last) else None
    softmax = producer(mixed.inputs[0], "Softmax") if mixed else None
    if mixed is None or softmax is None:
        return None
    scale = producer(softmax.inputs[0], *_SCALES)
    scaled = variable_and_scalar(scale) if scale is not None else None
    scores = producer(scaled[0] if scaled else softmax.inputs[0], "MatMul")
    return _Match(last, mixed, softmax, scale, scores) if scores is not None else None


def _swaps(node: ir.Node) -> bool:
    """Tell whether a node exchanges the last two axes and leaves the others."""
    order = list(node.attributes.get_ints("perm", [])) if node.op_type == "Transpose" else []
    rank = len(order)
    return rank > 1 and order == [*range(rank - 2), rank - 1, rank - 2]


def _swapped(value: ir.Value | None) -> ir.Value | None:
    """Return what a value is the transposition of, where nobody else needs the transposition."""
    node = sole_producer(value, "Transpose")
    return node.inputs[0] if node is not None and _swaps(node) else None


def _rewrite(graph: ir.Graph, match: _Match) -> None:
    queries, keys = match.scores.inputs
    values = match.mixed.inputs[1]
    rank = len(match.softmax.outputs[0].shape or ())
    made: list[ir.Node] = []

    def add(op_type: str, inputs: list[ir.Value | None], *attributes: ir.Attr) -> ir.Value:
        node = ir.Node("", op_type, inputs, attributes)
        made.append(node)
        return node.outputs[0]

    def transposed(value: ir.Value | None) -> ir.Value:
        order = [*range(rank - 2), rank - 1, rank - 2]
        return _swapped(value) or add("Transpose", [value], ir.AttrInt64s("perm", order))

    scores = add("MatMul", [transposed(keys), transposed(queries)])
    if match.scale is not None:
        old = match.scores.outputs[0]
        pair = [scores if value is old else value for value in match.scale.inputs]
        scores = add(match.scale.op_type, pair)
    weights = add("Softmax", [scores], ir.AttrInt64("axis", rank - 2))
    result = ir.Node("", "MatMul", [transposed(values), weights], name=match.mixed.name)
    graph.insert_before(match.last, made)
    replace_by(graph, [match.last], result)
