"""Recognise the hard swish that was written as a product."""

from typing import Final

import onnx_ir as ir

from topformer_cli.deploy.constants import scalar_of
from topformer_cli.deploy.passes.parts.match import (
    Findings,
    close_to,
    producer,
    read_elsewhere,
    replace_by,
    sole_producer,
    variable_and_scalar,
)
from topformer_cli.deploy.passes.parts.outcome import Outcome

_OPSET: Final = 14


def recognise_hard_swish(model: ir.Model) -> Outcome:
    """Replace a value times its own hard sigmoid by the operator, which has fixed parameters.

    Given: x * HardSigmoid(x, alpha = 1/6, beta = 1/2), or x * Clip(x + 3, 0, 6) / 6
    Result: HardSwish(x)
    """
    findings = Findings()
    opset = model.opset_imports.get("", 0)
    for node in list(model.graph):
        found = _product(node) or _quotient(node)
        if found is None:
            continue
        x, nodes, reason = found
        if opset < _OPSET:
            reason = f"opset {opset} has no HardSwish; {_OPSET} is needed"
        if findings.settle(node, reason):
            replace_by(model.graph, nodes, ir.Node("", "HardSwish", [x], name=node.name))
    return findings.outcome()


_Found = tuple[ir.Value, list[ir.Node], str]


def _product(last: ir.Node) -> _Found | None:
    """Match x * HardSigmoid(x); other parameters and other readers are reasons against it."""
    if last.op_type != "Mul":
        return None
    for x, other in (tuple(last.inputs), tuple(last.inputs)[::-1]):
        gate = producer(other, "HardSigmoid")
        if gate is None or x is None or gate.inputs[0] is not x:
            continue
        alpha = gate.attributes.get_float("alpha", 0.2)
        beta = gate.attributes.get_float("beta", 0.5)
        reason = read_elsewhere(gate.outputs[0])
        if not (close_to(alpha, 1 / 6) and close_to(beta, 0.5)):
            reason = f"its hard sigmoid is {alpha:g} x + {beta:g}, not x / 6 + 1 / 2"
        return x, [gate, last], reason
    return None


def _quotient(last: ir.Node) -> _Found | None:
    """Match x * Clip(x + 3, 0, 6) / 6."""
    if last.op_type not in ("Mul", "Div") or len(last.inputs) != 2:
        return None
    scaled = variable_and_scalar(last)
    if scaled is None or not close_to(scaled[1], 6 if last.op_type == "Div" else 1 / 6):
        return None
    if scaled[0] is not last.inputs[0] and last.op_type == "Div":
        return None
    product = sole_producer(scaled[0], "Mul")
    if product is None:
        return None
    for x, other in (tuple(product.inputs), tuple(product.inputs)[::-1]):
        clip = sole_producer(other, "Clip")
        add = sole_producer(clip.inputs[0], "Add") if clip is not None else None
        if clip is None or add is None or len(clip.inputs) != 3:
            continue
        bounds = [scalar_of(bound) for bound in clip.inputs[1:]]
        shifted = variable_and_scalar(add)
        if bounds == [0, 6] and shifted is not None and shifted[0] is x and shifted[1] == 3:
            return shifted[0], [add, clip, product, last], ""
    return None
