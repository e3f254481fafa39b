"""AveragePool, MaxPool and their global forms."""

from typing import Final

from topformer_cli.deploy.tnn.emit.convolution import symmetric_padding
from topformer_cli.deploy.tnn.emit.node import Emitted, Emitter, OnnxNode, require
from topformer_cli.deploy.tnn.layers.pooling import AVERAGE, MAXIMUM, WHOLE_MAP, Pooling

_KINDS: Final = {
    "AveragePool": AVERAGE,
    "GlobalAveragePool": AVERAGE,
    "MaxPool": MAXIMUM,
    "GlobalMaxPool": MAXIMUM,
}


def emit_pooling(node: OnnxNode) -> list[Emitted]:
    """Write a pooling with explicit kernel; averages only without padding."""
    require(len(node.input_shape(0)) == 4, f"rank {len(node.input_shape(0))}, TNN has 2-D only")
    require(len(node.node.outputs) == 1, "the indices of the maxima are wanted")
    require(not node.integer("ceil_mode", 0), "ceil_mode 1")
    require(set(node.integers("dilations", (1, 1))) == {1}, "dilations")
    kind = _KINDS[node.node.op_type]
    padding = symmetric_padding(node)
    require(
        kind == MAXIMUM or padding == (0, 0),
        "an average with padding, whose divisor in TNN is not known to be ONNX's",
    )
    kernel_h, kernel_w = node.integers("kernel_shape", (0, 0))
    stride_h, stride_w = node.integers("strides", (1, 1))
    return node.layer(Pooling(kind, kernel_h, kernel_w, stride_h, stride_w, *padding))


def emit_global_pooling(node: OnnxNode) -> list[Emitted]:
    """Write a pooling of the whole map."""
    require(len(node.input_shape(0)) == 4, f"rank {len(node.input_shape(0))}, TNN has 2-D only")
    return node.layer(Pooling(_KINDS[node.node.op_type], WHOLE_MAP, WHOLE_MAP, 1, 1, 0, 0))


POOLING: Final = Emitter(
    emit_pooling,
    frozenset(
        {"auto_pad", "ceil_mode", "count_include_pad", "dilations", "kernel_shape"}
        | {"pads", "storage_order", "strides"}
    ),
)
GLOBAL_POOLING: Final = Emitter(emit_global_pooling)
