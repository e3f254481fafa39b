"""Fold constant scales and shifts of channels into the convolution before or behind them."""

import numpy as np
import onnx_ir as ir

from topformer_cli.deploy.passes.parts.affine import (
    NOT_PER_CHANNEL,
    Affine,
    affine_of,
    looks_affine,
)
from topformer_cli.deploy.passes.parts.convolution import (
    NO_CONSTANTS,
    Parameters,
    parameters_of,
    unpadded,
)
from topformer_cli.deploy.passes.parts.match import (
    Findings,
    bypass,
    producer,
    read_elsewhere,
    sole_producer,
    sole_reader,
)
from topformer_cli.deploy.passes.parts.outcome import Outcome


def fold_scale(model: ir.Model) -> Outcome:
    """Give a convolution the multiplications and additions of constants at its two ends.

    Given: s * Conv(x, W, b) + t             Result: Conv(x, s W, s b + t)
    Given: Conv(s * x + t, W, b)             Result: Conv(x, W s, b + sum over inputs of W t)
    The second needs t = 0 where the convolution pads: zeros beyond the edge are not shifted.
    """
    findings = Findings()
    for node in list(model.graph):
        conv = sole_producer(node.inputs[0] if node.inputs else None, "Conv") or _right(node)
        affine = affine_of(node)
        parameters = parameters_of(conv) if conv is not None and affine is not None else None
        if affine and parameters and affine.x is parameters.conv.outputs[0]:
            findings.settle(node, "")
            _fold_behind(model.graph, node, affine, parameters)
    # Backwards, so that of several in a row the nearest to the convolution goes first.
    for node in reversed(list(model.graph)):
        if looks_affine(node):
            _look_ahead(model.graph, node, findings)
    return findings.outcome()


def _right(node: ir.Node) -> ir.Node | None:
    return sole_producer(node.inputs[1], "Conv") if len(node.inputs) == 2 else None


def _fold_behind(graph: ir.Graph, node: ir.Node, affine: Affine, conv: Parameters) -> None:
    conv.scale_outputs(affine.scale, affine.shift)
    conv.write(graph)
    bypass(graph, node, affine.x)


def _look_ahead(graph: ir.Graph, node: ir.Node, findings: Findings) -> None:
    """Fold a node into the convolution behind it, or say why it stays between two."""
    affine = affine_of(node)
    behind = sole_reader(node.outputs[0], "Conv")
    parameters = parameters_of(behind) if behind is not None else None
    if reason := _obstacle(node, affine, behind):
        findings.settle(node, reason)
    elif affine is not None and parameters is not None:
        findings.settle(node, "")
        parameters.scale_inputs(affine.scale, affine.shift)
        parameters.write(graph)
        bypass(graph, node, affine.x)


def _obstacle(node: ir.Node, affine: Affine | None, behind: ir.Node | None) -> str:
    """Return why a node next to a convolution cannot go into it, or nothing."""
    before = next((made for x in node.inputs if (made := producer(x, "Conv"))), None)
    if before is None and behind is None:
        return ""
    if affine is None:
        return NOT_PER_CHANNEL
    if behind is None:
        return read_elsewhere(affine.x) or NO_CONSTANTS
    if parameters_of(behind) is None:
        return NO_CONSTANTS
    if np.any(affine.shift) and not unpadded(behind):
        return "the convolution behind it pads with zeros, which would have to be shifted too"
    return ""
