"""Fold a batch normalisation into the convolution before it."""

import numpy as np
import onnx_ir as ir

from topformer_cli.deploy.constants import constant_of, new_constant
from topformer_cli.deploy.passes.parts.match import Findings, read_once
from topformer_cli.deploy.passes.parts.outcome import Outcome


def fold_batchnorm(model: ir.Model) -> Outcome:
    """Give the convolution the scale and shift of the batch normalisation that follows it.

    Given: BatchNormalization(Conv(x, w, b), gamma, beta, mean, variance)
    Result: Conv(x, w * s, (b - mean) * s + beta) with s = gamma / sqrt(variance + epsilon)
    """
    findings = Findings()
    for node in list(model.graph):
        if node.op_type == "BatchNormalization" and findings.settle(node, _obstacle(node)):
            _fold(model.graph, node)
    return findings.outcome()


def _obstacle(node: ir.Node) -> str:
    """Return why a batch normalisation cannot be folded, or nothing."""
    source = node.inputs[0]
    conv = source.producer() if source is not None else None
    if source is None or conv is None or conv.op_type != "Conv":
        return "follows no convolution"
    if not read_once(source):
        return "the convolution's own output is used elsewhere"
    if node.attributes.get_int("training_mode", 0):
        return "is in training mode"
    if any(constant_of(value) is None for value in (*conv.inputs[1:], *node.inputs[1:])):
        return "weights or statistics are no constants"
    return ""


def _fold(graph: ir.Graph, node: ir.Node) -> None:
    source, *statistics = node.inputs
    assert source is not None
    conv = source.producer()
    assert conv is not None
    gamma, beta, mean, variance = (_float64(value) for value in statistics)
    scale = gamma / np.sqrt(variance + node.attributes.get_float("epsilon", 1e-5))
    weight = _float64(conv.inputs[1])
    bias = _float64(conv.inputs[2]) if len(conv.inputs) > 2 else np.zeros_like(mean)
    folded = weight * scale.reshape(-1, *[1] * (weight.ndim - 1))
    name = node.outputs[0].name
    inputs = [
        conv.inputs[0],
        new_constant(graph, f"{name}.weight", folded.astype(np.float32)),
        new_constant(graph, f"{name}.bias", ((bias - mean) * scale + beta).astype(np.float32)),
    ]
    merged = ir.Node("", "Conv", inputs, conv.attributes.values(), name=conv.name)
    ir.convenience.replace_nodes_and_values(
        graph, conv, [conv, node], [merged], [node.outputs[0]], [merged.outputs[0]]
    )


def _float64(value: ir.Value | None) -> np.ndarray:
    array = constant_of(value)
    assert array is not None
    return array.astype(np.float64)
