"""Fold a batch normalisation into the convolution before it."""

import numpy as np
import onnx_ir as ir

from topformer_cli.deploy.constants import constant_of, new_constant


def fold_batchnorm(model: ir.Model) -> bool:
    """Give the convolution the scale and shift of the batch normalisation that follows it.

    Given: BatchNormalization(Conv(x, w, b), gamma, beta, mean, variance)
    Result: Conv(x, w * s, (b - mean) * s + beta) with s = gamma / sqrt(variance + epsilon)
    """
    matches = [node for node in model.graph if _matches(node)]
    for node in matches:
        _fold(model.graph, node)
    return bool(matches)


def _matches(node: ir.Node) -> bool:
    if node.op_type != "BatchNormalization" or node.inputs[0] is None:
        return False
    source = node.inputs[0]
    conv = source.producer()
    return (
        conv is not None
        and conv.op_type == "Conv"
        and len(source.uses()) == 1
        and not source.is_graph_output()
        and node.attributes.get_int("training_mode", 0) == 0
        and all(constant_of(value) is not None for value in (*conv.inputs[1:], *node.inputs[1:]))
    )


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
