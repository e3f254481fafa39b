"""Write the hard sigmoid of a gate as a ReLU6, which TNN computes inside the convolution."""

from typing import Final

import numpy as np
import onnx_ir as ir

from topformer_cli.deploy.onnx_graph import node_name
from topformer_cli.deploy.passes.parts.absorb import (
    Blocked,
    Place,
    passes_scale,
    plan_scale,
    write_plan,
)
from topformer_cli.deploy.passes.parts.convolution import Parameters, parameters_of
from topformer_cli.deploy.passes.parts.match import (
    Findings,
    float32_constant,
    read_elsewhere,
    replace_by,
    sole_producer,
)
from topformer_cli.deploy.passes.parts.outcome import Outcome

_SIX: Final = 6.0


def gate_by_relu6(model: ir.Model) -> Outcome:
    """Move the scale of a gate into what it multiplies, so that a ReLU6 is left of the gate.

    Given: Conv(y, V, c) * up(HardSigmoid(Conv(x, W, b), alpha, beta))
    Result: Conv(y, V / 6, c / 6) * up(Clip(Conv(x, 6 alpha W, 6 alpha b + 6 beta), 0, 6))
    """
    findings = Findings()
    for node in list(model.graph):
        if node.op_type != "HardSigmoid":
            continue
        conv = sole_producer(node.inputs[0], "Conv")
        parameters = parameters_of(conv) if conv is not None else None
        if parameters is None:
            continue
        places, reason = _plan(node, parameters.outputs)
        if findings.settle(node, reason):
            write_plan(model.graph, places)
            _replace(model.graph, node, parameters)
    return findings.outcome()


def _plan(gate: ir.Node, channels: int) -> tuple[list[Place], str]:
    """Return where a sixth of the gated value goes, or why nowhere."""
    value = gate.outputs[0]
    while True:
        if reason := read_elsewhere(value):
            return [], reason
        (use,) = value.uses() or (None,)
        if use is None:
            return [], "nobody reads it"
        if use.node.op_type == "Mul":
            break
        if use.idx != 0 or not passes_scale(use.node):
            return [], f"{node_name(use.node)} ({use.node.op_type}) is no product with its gate"
        value = use.node.outputs[0]
    other = use.node.inputs[1 - use.idx]
    assert other is not None
    if other.shape is None or len(other.shape) < 2 or other.shape[1] != channels:
        return [], f"what it gates has other channels than {channels}"
    try:
        return plan_scale(other, np.full(channels, 1 / _SIX), np.zeros(channels)), ""
    except Blocked as reason:
        return [], f"what it gates cannot take a scale: {reason}"


def _replace(graph: ir.Graph, gate: ir.Node, conv: Parameters) -> None:
    alpha = gate.attributes.get_float("alpha", 0.2)
    beta = gate.attributes.get_float("beta", 0.5)
    # 1 / 6 is no float32: what the exporter meant is one, and leaves the weights as they are.
    slope = 1.0 if abs(_SIX * alpha - 1) < 1e-6 else _SIX * alpha
    conv.scale_outputs(np.full(conv.outputs, slope), np.full(conv.outputs, _SIX * beta))
    conv.write(graph)
    name = gate.outputs[0].name
    bounds = [
        float32_constant(graph, f"{name}.{end}", np.float64(bound))
        for end, bound in (("low", 0.0), ("high", _SIX))
    ]
    replace_by(graph, [gate], ir.Node("", "Clip", [gate.inputs[0], *bounds], name=gate.name))
