"""Fold a depthwise 1x1 convolution into what makes its input."""

import onnx_ir as ir

from topformer_cli.deploy.passes.parts.absorb import Blocked, plan_scale, write_plan
from topformer_cli.deploy.passes.parts.convolution import NO_CONSTANTS, parameters_of
from topformer_cli.deploy.passes.parts.match import Findings, bypass, read_elsewhere
from topformer_cli.deploy.passes.parts.outcome import Outcome


def fold_depthwise_fuse(model: ir.Model) -> Outcome:
    """Scale the summands of a sum instead of the sum, in the convolutions that make them.

    Given: s * (A * up(gate) + up(B) + up(C)) + t, with A = Conv(x, W, b), B = ..., where the
    scale s and shift t of each channel are a depthwise 1x1 convolution
    Result: A' * up(gate) + up(B') + up(C'), with A' = Conv(x, s W, s b) and C' likewise, and the
    shift in one of them: B' = Conv(y, s V, s c + t); resizing and averaging keep constants
    """
    findings = Findings()
    for node in list(model.graph):
        if node.op_type == "Conv" and (obstacle := _fold(model.graph, node)) is not None:
            findings.settle(node, obstacle)
    return findings.outcome()


def _fold(graph: ir.Graph, node: ir.Node) -> str | None:
    """Fold one convolution; return why not, or None if it is no depthwise 1x1 one."""
    fuse, source = parameters_of(node), node.inputs[0]
    shape = node.attributes.get_ints("strides", [])
    if source is None or set(shape) - {1} or node.attributes.get_int("group", 1) == 1:
        return None
    if fuse is None:
        return NO_CONSTANTS
    if not fuse.depthwise or not fuse.pointwise:
        return None
    if source.is_graph_input() or source.producer() is None:
        return "its input is an input of the graph"
    if reason := read_elsewhere(source):
        return reason
    try:
        plan = plan_scale(source, fuse.weight.reshape(-1), fuse.bias)
    except Blocked as reason:
        return str(reason)
    write_plan(graph, plan)
    bypass(graph, node, source)
    return ""
