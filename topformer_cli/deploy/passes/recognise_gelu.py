"""Recognise the exact GELU that was written with the error function."""

from dataclasses import dataclass
from typing import Final

import onnx_ir as ir

from topformer_cli.deploy.constants import scalar_of

_ROOT: Final = 2**0.5
_CLOSE: Final = 1e-5


def recognise_gelu(model: ir.Model) -> bool:
    """Replace the product of x, 1 + erf(x / sqrt 2) and 1/2, in any order, by the operator.

    Given: Mul(Mul(x, Add(Erf(Div(x, 1.4142)), 1)), 0.5)
    Result: Gelu(x)
    """
    if model.opset_imports.get("", 0) < 20:
        return False
    matches = [match for node in model.graph if (match := _match(node))]
    for match in matches:
        _replace(model.graph, match)
    return bool(matches)


@dataclass(frozen=True, slots=True)
class _Match:
    x: ir.Value
    last: ir.Node
    nodes: tuple[ir.Node, ...]


def _match(last: ir.Node) -> _Match | None:
    """Look at a product of three factors, made by two Muls."""
    if last.op_type != "Mul":
        return None
    for place in (0, 1):
        inner = _only_maker(last.inputs[place], "Mul")
        if inner is None:
            continue
        factors = [last.inputs[1 - place], *inner.inputs]
        found = _three(factors)
        # A number of more dimensions than x would give the product more as well.
        if found is not None and found[0].shape == last.outputs[0].shape:
            return _Match(found[0], last, (last, inner, *found[1]))
    return None


def _three(factors: list[ir.Value | None]) -> tuple[ir.Value, tuple[ir.Node, ...]] | None:
    halves = [value for value in factors if scalar_of(value) == 0.5]
    gates = [(value, gate) for value in factors if (gate := _gate(value))]
    rest = [value for value in factors if value not in halves and value is not None]
    if len(halves) != 1 or len(gates) != 1 or len(rest) != 2:
        return None
    value, (x, nodes) = gates[0]
    return (x, nodes) if [one for one in rest if one is not value] == [x] else None


def _gate(value: ir.Value | None) -> tuple[ir.Value, tuple[ir.Node, ...]] | None:
    """Return x and the nodes of 1 + erf(x / sqrt 2)."""
    add = _only_maker(value, "Add")
    if add is None:
        return None
    for place in (0, 1):
        erf = _only_maker(add.inputs[place], "Erf")
        scaled = erf.inputs[0].producer() if erf is not None and erf.inputs[0] else None
        if erf is None or scaled is None or scalar_of(add.inputs[1 - place]) != 1:
            continue
        x = _divided(scaled)
        if x is not None and len(scaled.outputs[0].uses()) == 1:
            return x, (add, erf, scaled)
    return None


def _divided(node: ir.Node) -> ir.Value | None:
    """Return x of x / sqrt 2 or x * sqrt 1/2."""
    if node.op_type == "Div":
        return node.inputs[0] if _is(scalar_of(node.inputs[1]), _ROOT) else None
    if node.op_type == "Mul":
        for place in (0, 1):
            if _is(scalar_of(node.inputs[1 - place]), 1 / _ROOT):
                return node.inputs[place]
    return None


def _is(number: float | None, wanted: float) -> bool:
    return number is not None and abs(number / wanted - 1) < _CLOSE


def _only_maker(value: ir.Value | None, op_type: str) -> ir.Node | None:
    if value is None or len(value.uses()) != 1 or value.is_graph_output():
        return None
    node = value.producer()
    return node if node is not None and node.op_type == op_type else None


def _replace(graph: ir.Graph, match: _Match) -> None:
    node = ir.Node("", "Gelu", [match.x], name=match.last.name)
    ir.convenience.replace_nodes_and_values(
        graph, match.last, match.nodes, [node], [match.last.outputs[0]], [node.outputs[0]]
    )
