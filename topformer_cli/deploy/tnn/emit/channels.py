"""Concat and Split."""

from typing import Final

from topformer_cli.deploy.tnn.emit.node import Emitted, Emitter, OnnxNode, require
from topformer_cli.deploy.tnn.layers.channels import Concat, SplitV


def emit_concat(node: OnnxNode) -> list[Emitted]:
    """Write a concatenation of computed values."""
    places = range(len(node.node.inputs))
    require(all(node.constant(i) is None for i in places), "one of the inputs is a constant")
    return node.layer(Concat(node.axis(1)), inputs=places)


def emit_split(node: OnnxNode) -> list[Emitted]:
    """Write a split; the sizes are those of the outputs."""
    axis = node.axis(0)
    sizes = tuple(node.output_shape(i)[axis] for i in range(len(node.node.outputs)))
    return node.layer(SplitV(axis, sizes))


CONCAT: Final = Emitter(emit_concat, frozenset({"axis"}))
SPLIT: Final = Emitter(emit_split, frozenset({"axis", "num_outputs"}))
