"""AveragePool, MaxPool and their global forms."""

from typing import Final

import numpy as np

from topformer_cli.deploy.tnn.emit.node import Chain, Emitted, Emitter, OnnxNode, require
from topformer_cli.deploy.tnn.emit.shape import to_shape
from topformer_cli.deploy.tnn.emit.window import WINDOW, as_map, borders, flat, padded, pair
from topformer_cli.deploy.tnn.layers.pooling import (
    AVERAGE,
    MAXIMUM,
    WHOLE_MAP,
    Pooling,
    output_size,
)

_KINDS: Final = {
    "AveragePool": AVERAGE,
    "GlobalAveragePool": AVERAGE,
    "MaxPool": MAXIMUM,
    "GlobalMaxPool": MAXIMUM,
}
_LOWEST: Final = float(np.finfo(np.float32).min)


def emit_pooling(node: OnnxNode) -> list[Emitted]:
    """Write a pooling; TNN leaves the border out of an average, so where it counts it is written.

    TNN pads evenly and computes the border behind the input from the number of windows. Where that
    number is not ONNX's, the border becomes a layer of its own.
    """
    require(len(node.results()) == 1, "the indices of the maxima are wanted")
    require(set(node.integers("dilations", (1, 1))) == {1}, "dilations")
    kind, chain = _KINDS[node.node.op_type], Chain(node)
    kernel, strides = pair(node, "kernel_shape"), pair(node, "strides")
    around, blob = borders(node, kernel), as_map(chain, node)
    if kind == AVERAGE and node.integer("count_include_pad", 0) and any(around):
        require(not node.integer("ceil_mode", 0), "ceil_mode 1 with count_include_pad 1")
        blob, around = padded(chain, blob, around), (0, 0, 0, 0)
        record = Pooling(kind, *kernel, *strides, 0, 0)
    else:
        fitting = _fitting(node, kernel, strides, around[:2])
        if fitting is None:
            require(kind == MAXIMUM, f"an average with the pads {list(around)}")
            blob = padded(chain, blob, around, _LOWEST)
            record = Pooling(kind, *kernel, *strides, 0, 0)
        else:
            record = fitting
    if not flat(node):
        return chain.end(record, blob)
    return chain.end(to_shape(*node.output_shape()), chain.add(record, blob))


def _fitting(
    node: OnnxNode, kernel: tuple[int, int], strides: tuple[int, int], pads: tuple[int, int]
) -> Pooling | None:
    """Return the pooling that makes as many windows as ONNX from the same beginning, if any."""
    sizes = (1, *node.input_shape(0)[2:])[-2:]
    wanted = (1, *node.output_shape()[2:])[-2:]
    for ceil_mode in (0, 1):
        made = tuple(
            output_size(*each, ceil_mode) for each in zip(sizes, kernel, strides, pads, strict=True)
        )
        if made == wanted:
            kind = _KINDS[node.node.op_type]
            return Pooling(kind, *kernel, *strides, *pads, ceil_mode=ceil_mode)
    return None


def emit_global_pooling(node: OnnxNode) -> list[Emitted]:
    """Write a pooling of the whole map."""
    chain = Chain(node)
    record = Pooling(_KINDS[node.node.op_type], WHOLE_MAP, WHOLE_MAP, 1, 1, 0, 0)
    if not flat(node):
        return chain.end(record, node.blob())
    made = chain.add(record, as_map(chain, node))
    return chain.end(to_shape(*node.output_shape()), made)


POOLING: Final = Emitter(emit_pooling, WINDOW | {"ceil_mode", "count_include_pad", "storage_order"})
GLOBAL_POOLING: Final = Emitter(emit_global_pooling)
