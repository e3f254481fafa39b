"""Recognise the hard sigmoid that was written as add, clip and divide."""

from dataclasses import dataclass

import onnx_ir as ir

from topformer_cli.deploy.constants import scalar_of
from topformer_cli.deploy.passes.parts.match import (
    Findings,
    replace_by,
    sole_producer,
    variable_and_scalar,
)
from topformer_cli.deploy.passes.parts.outcome import Outcome


def recognise_hard_sigmoid(model: ir.Model) -> Outcome:
    """Replace the three elementwise steps of a hard sigmoid by the operator.

    Given: Clip(x + b, 0, m) / m, or Clip(x + b, 0, m) * (1 / m), additions either way round
    Result: HardSigmoid(x, alpha = 1 / m, beta = b / m)
    """
    findings = Findings()
    for match in [match for node in model.graph if (match := _match(node))]:
        findings.settle(match.last, "")
        _replace(model.graph, match)
    return findings.outcome()


@dataclass(frozen=True, slots=True)
class _Match:
    x: ir.Value
    add: ir.Node
    clip: ir.Node
    last: ir.Node
    alpha: float
    beta: float


def _match(last: ir.Node) -> _Match | None:
    scaled = _scale(last)
    clip = sole_producer(scaled[0], "Clip") if scaled else None
    if scaled is None or clip is None or len(clip.inputs) != 3:
        return None
    factor, high = scaled[1], scalar_of(clip.inputs[2])
    add = sole_producer(clip.inputs[0], "Add")
    shifted = variable_and_scalar(add) if add else None
    if add is None or shifted is None or not high or scalar_of(clip.inputs[1]) != 0:
        return None
    if abs(factor * high - 1) > 1e-6:
        return None
    return _Match(shifted[0], add, clip, last, 1 / high, shifted[1] / high)


def _scale(node: ir.Node) -> tuple[ir.Value, float] | None:
    if node.op_type == "Mul":
        return variable_and_scalar(node)
    divisor = scalar_of(node.inputs[1]) if node.op_type == "Div" else None
    value = node.inputs[0] if divisor else None
    return (value, 1 / divisor) if value is not None and divisor else None


def _replace(graph: ir.Graph, match: _Match) -> None:
    attributes = [ir.AttrFloat32("alpha", match.alpha), ir.AttrFloat32("beta", match.beta)]
    node = ir.Node("", "HardSigmoid", [match.x], attributes, name=match.last.name)
    replace_by(graph, [match.add, match.clip, match.last], node)
