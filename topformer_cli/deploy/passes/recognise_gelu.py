"""Recognise the GELU that was written with the error function."""

import math
from typing import Final

import onnx_ir as ir

from topformer_cli.deploy.constants import scalar_of
from topformer_cli.deploy.passes.parts.match import (
    Findings,
    close_to,
    only_reader,
    replace_by,
    sole_producer,
    variable_and_scalar,
)
from topformer_cli.deploy.passes.parts.outcome import Outcome

_OPSET: Final = 20


def recognise_gelu(model: ir.Model) -> Outcome:
    """Replace the steps of an exact GELU by the operator.

    Given: x * (1 + erf(x / sqrt 2)) * 0.5, the factors in any order
    Result: Gelu(x)
    """
    findings = Findings()
    opset = model.opset_imports.get("", 0)
    for node in list(model.graph):
        argument = _argument(node)
        if argument is None:
            continue
        x, scale = argument
        product = _product(node, x)
        reason = "" if product else "what follows is not x * (1 + erf(x / sqrt 2)) / 2"
        if product and opset < _OPSET:
            reason = f"opset {opset} has no Gelu; {_OPSET} is needed"
        if findings.settle(node, reason) and product:
            nodes = [scale, node, *product]
            replace_by(model.graph, nodes, ir.Node("", "Gelu", [x], name=product[-1].name))
    return findings.outcome()


def _argument(erf: ir.Node) -> tuple[ir.Value, ir.Node] | None:
    """Return x and the node that makes x / sqrt(2), the argument of an error function."""
    scale = sole_producer(erf.inputs[0], "Div", "Mul") if erf.op_type == "Erf" else None
    found = variable_and_scalar(scale) if scale is not None else None
    if scale is None or found is None:
        return None
    divides = scale.op_type == "Div" and found[0] is scale.inputs[0]
    wanted = math.sqrt(2) if divides else math.sqrt(0.5)
    if scale.op_type == "Div" and not divides:
        return None
    return (found[0], scale) if close_to(found[1], wanted) else None


def _product(erf: ir.Node, x: ir.Value) -> list[ir.Node] | None:
    """Follow 1 + erf through products until x and one half are in it; return the nodes."""
    add = only_reader(erf.outputs[0])
    if add is None or add.op_type != "Add" or not close_to(_number(add), 1):
        return None
    nodes, number, with_x = [add], 1.0, False
    while not (with_x and close_to(number, 0.5)):
        node = only_reader(nodes[-1].outputs[0])
        if node is None or node.op_type not in ("Mul", "Div"):
            return None
        on_the_right = node.inputs[1] is nodes[-1].outputs[0]
        if on_the_right and node.op_type == "Div":
            return None
        other = node.inputs[0 if on_the_right else 1]
        half = sole_producer(other, "Mul")
        factor = scalar_of(other)
        if factor is not None:
            number = number / factor if node.op_type == "Div" else number * factor
        elif other is x and not with_x and node.op_type == "Mul":
            with_x = True
        elif half and (found := variable_and_scalar(half)) and found[0] is x and not with_x:
            nodes.insert(0, half)
            number, with_x = number * found[1], True
        else:
            return None
        nodes.append(node)
    return nodes


def _number(node: ir.Node) -> float | None:
    found = variable_and_scalar(node)
    return found[1] if found else None
