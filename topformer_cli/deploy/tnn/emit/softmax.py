"""Softmax."""

from typing import Final

from topformer_cli.deploy.tnn.emit.node import Emitted, Emitter, OnnxNode, require
from topformer_cli.deploy.tnn.layers.softmax import SoftmaxCaffe


def emit_softmax(node: OnnxNode) -> list[Emitted]:
    """Write a softmax over one axis, under the name TNN's own converter uses."""
    axis = node.axis(-1)
    require(axis != 0, "axis 0, which TNN does not have on ARM")
    return node.layer(SoftmaxCaffe(axis))


SOFTMAX: Final = Emitter(emit_softmax, frozenset({"axis"}))
