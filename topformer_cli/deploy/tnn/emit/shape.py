"""What gives the same values another shape, and Transpose."""

from typing import Final

from topformer_cli.deploy.tnn.emit.node import Emitted, Emitter, OnnxNode, require
from topformer_cli.deploy.tnn.layers.record import LayerRecord
from topformer_cli.deploy.tnn.layers.shape import Permute, Reshape


def to_shape(*shape: int) -> LayerRecord:
    """Return the layer that gives its input a shape.

    TNN's Squeeze, Unsqueeze and Flatten are the same step, on fewer devices and layouts.
    """
    return Reshape(0, len(shape), shape)


def emit_reshape(node: OnnxNode) -> list[Emitted]:
    """Write a reshape to the static shape of the output, whatever 0 and -1 stood for."""
    require(len(node.results()) == 1, "its second output is wanted")
    return node.layer(to_shape(*node.output_shape()))


def emit_transpose(node: OnnxNode) -> list[Emitted]:
    """Write a permutation; without perm ONNX reverses the dimensions."""
    reverse = list(range(len(node.input_shape(0))))[::-1]
    return node.layer(Permute(tuple(node.integers("perm", reverse))))


RESHAPE: Final = Emitter(
    emit_reshape, frozenset({"allowzero", "axes", "axis", "round_mode", "saturate", "seed", "to"})
)
TRANSPOSE: Final = Emitter(emit_transpose, frozenset({"perm"}))
