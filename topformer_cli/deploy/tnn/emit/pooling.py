"""AveragePool, MaxPool and their global forms."""

from typing import Final

import numpy as np

from topformer_cli.deploy.tnn.emit.node import Chain, Emitted, Emitter, OnnxNode, require
from topformer_cli.deploy.tnn.emit.shape import to_shape
from topformer_cli.deploy.tnn.emit.window import (
    WINDOW,
    Borders,
    as_map,
    borders,
    flat,
    padded,
    pair,
)
from topformer_cli.deploy.tnn.layers.parts import StridedSliceV2
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
        return _shaped(chain, node, Pooling(kind, *kernel, *strides, 0, 0), blob)
    _check_windows(node, strides, around)
    record = _fitting(node, kernel, strides, around[:2])
    if record is not None:
        return _shaped(chain, node, record, _cropped(chain, node, record, blob))
    require(kind == MAXIMUM, f"an average with the pads {list(around)}")
    record = Pooling(kind, *kernel, *strides, 0, 0)
    return _shaped(chain, node, record, padded(chain, blob, around, _LOWEST))


def _shaped(chain: Chain, node: OnnxNode, record: Pooling, blob: str) -> list[Emitted]:
    if not flat(node):
        return chain.end(record, blob)
    return chain.end(to_shape(*node.output_shape()), chain.add(record, blob))


def _sizes(node: OnnxNode) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return height and width of the input and of the output."""
    return (1, *node.input_shape(0)[2:])[-2:], (1, *node.output_shape()[2:])[-2:]


def _check_windows(node: OnnxNode, strides: tuple[int, int], around: Borders) -> None:
    """Refuse windows that begin behind the input: onnx counts them, onnxruntime does not."""
    before, after = _sizes(node)
    for size, windows, stride, pad in zip(before, after, strides, around[:2], strict=True):
        begins = (windows - 1) * stride < size + pad
        require(begins, "ceil_mode 1 makes a window behind the input, which runtimes leave out")


def _fitting(
    node: OnnxNode, kernel: tuple[int, int], strides: tuple[int, int], pads: tuple[int, int]
) -> Pooling | None:
    """Return the pooling that makes as many windows as ONNX from the same beginning, if any."""
    before, after = _sizes(node)
    for ceil_mode in (0, 1):
        rows = zip(before, kernel, strides, pads, strict=True)
        if tuple(output_size(*row, ceil_mode) for row in rows) == after:
            kind = _KINDS[node.node.op_type]
            return Pooling(kind, *kernel, *strides, *pads, ceil_mode=ceil_mode)
    return None


def _cropped(chain: Chain, node: OnnxNode, record: Pooling, blob: str) -> str:
    """Cut off what no window reaches: with padding TNN takes it for an error in the width."""
    before, after = _sizes(node)
    ends = (
        (after[0] - 1) * record.stride_h + record.kernel_h - record.pad_h,
        (after[1] - 1) * record.stride_w + record.kernel_w - record.pad_w,
    )
    unread = any(end < size for end, size in zip(ends, before, strict=True))
    if not unread or not record.pad_h + record.pad_w:
        return blob
    height, width = (min(pair) for pair in zip(ends, before, strict=True))
    return chain.add(StridedSliceV2((0, 0), (height, width), (2, 3), (1, 1)), blob)


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
