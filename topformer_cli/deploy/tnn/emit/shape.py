"""Reshape and Transpose."""

from typing import Final

from topformer_cli.deploy.tnn.emit.node import Emitted, Emitter, OnnxNode
from topformer_cli.deploy.tnn.layers.shape import Permute, Reshape


def emit_reshape(node: OnnxNode) -> list[Emitted]:
    """Write a reshape to the static shape of the output, whatever 0 and -1 stood for."""
    shape = node.output_shape()
    return node.layer(Reshape(0, len(shape), shape))


def emit_transpose(node: OnnxNode) -> list[Emitted]:
    """Write a permutation; without perm ONNX reverses the dimensions."""
    reverse = list(range(len(node.input_shape(0))))[::-1]
    return node.layer(Permute(tuple(node.integers("perm", reverse))))


RESHAPE: Final = Emitter(emit_reshape, frozenset({"allowzero"}))
TRANSPOSE: Final = Emitter(emit_transpose, frozenset({"perm"}))
