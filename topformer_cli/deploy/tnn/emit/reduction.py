"""Reductions, ArgMax, ArgMin, LogSoftmax."""

from collections.abc import Callable, Sequence
from typing import Final

from topformer_cli.deploy.tnn.emit.node import Chain, Emitted, Emitter, OnnxNode, require
from topformer_cli.deploy.tnn.emit.shape import to_shape
from topformer_cli.deploy.tnn.layers.elementwise import Add, Mul, Sub
from topformer_cli.deploy.tnn.layers.pooling import AVERAGE, MAXIMUM, WHOLE_MAP, Pooling
from topformer_cli.deploy.tnn.layers.record import LayerRecord
from topformer_cli.deploy.tnn.layers.reduction import (
    ArgMaxOrMin,
    ReduceMax,
    ReduceMean,
    ReduceMin,
    ReduceSum,
)
from topformer_cli.deploy.tnn.layers.unary import Abs, Exp, Log, Sqrt

_PLAIN: Final[dict[str, Callable[[int, tuple[int, ...]], LayerRecord]]] = {
    "ReduceMax": ReduceMax,
    "ReduceMean": ReduceMean,
    "ReduceMin": ReduceMin,
}
_POOLED: Final = {"ReduceMax": MAXIMUM, "ReduceMean": AVERAGE}
_BEFORE: Final = {"ReduceL1": "absolute", "ReduceL2": "square", "ReduceSumSquare": "square"}
_AFTER: Final[dict[str, LayerRecord]] = {"ReduceL2": Sqrt(), "ReduceLogSum": Log()}


def emit_reduction(node: OnnxNode) -> list[Emitted]:
    """Write a reduction; of height and width it is a pooling, which TNN has more kernels for."""
    chain, kind, shape = Chain(node), node.node.op_type, node.input_shape(0)
    axes = _axes(node)
    if not axes:
        return chain.end(to_shape(*shape), node.blob())
    if kind == "ReduceLogSumExp":
        largest, total = _exponentials(chain, node, axes)[::2]
        return _shaped(chain, node, chain.add(Add(), largest, chain.add(Log(), total)))
    if kind in _POOLED and axes == (2, 3) and len(shape) == 4:
        record: LayerRecord = Pooling(_POOLED[kind], WHOLE_MAP, WHOLE_MAP, 1, 1, 0, 0)
        return _shaped(chain, node, chain.add(record, node.blob()))
    blob = node.blob()
    if kind in _BEFORE:
        squared = _BEFORE[kind] == "square"
        blob = chain.add(Mul(), blob, blob) if squared else chain.add(Abs(), blob)
    blob = chain.add(_PLAIN.get(kind, ReduceSum)(1, axes), blob)
    if kind in _AFTER:
        blob = chain.add(_AFTER[kind], blob)
    return _shaped(chain, node, blob)


def emit_log_softmax(node: OnnxNode) -> list[Emitted]:
    """Compose x - max - log(sum(exp(x - max))), as TNN's ARM device has no LogSoftmax."""
    chain = Chain(node)
    _, shifted, total = _exponentials(chain, node, (node.axis(-1),))
    return chain.end(Sub(), shifted, chain.add(Log(), total))


def emit_arg(node: OnnxNode) -> list[Emitted]:
    """Write the place of the largest or smallest value along an axis."""
    require(not node.integer("select_last_index", 0), "select_last_index 1")
    mode = int(node.node.op_type == "ArgMax")
    return node.layer(ArgMaxOrMin(mode, node.axis(0), node.integer("keepdims", 1)))


def _exponentials(chain: Chain, node: OnnxNode, axes: tuple[int, ...]) -> tuple[str, str, str]:
    """Return max, x - max and sum(exp(x - max)) over axes that are kept."""
    largest = chain.add(ReduceMax(1, axes), node.blob())
    shifted = chain.add(Sub(), node.blob(), largest)
    return largest, shifted, chain.add(ReduceSum(1, axes), chain.add(Exp(), shifted))


def _axes(node: OnnxNode) -> tuple[int, ...]:
    given: Sequence[int] = node.list_or(1, node.integers("axes", ()))
    if not given and not node.integer("noop_with_empty_axes", 0):
        given = range(len(node.input_shape(0)))
    return tuple(sorted(node.place(axis) for axis in given))


def _shaped(chain: Chain, node: OnnxNode, blob: str) -> list[Emitted]:
    """End with the wanted shape; the reductions above keep their axes."""
    if node.integer("keepdims", 1):
        return chain.done(blob)
    return chain.end(to_shape(*node.output_shape()), blob)


REDUCTION: Final = Emitter(emit_reduction, frozenset({"axes", "keepdims", "noop_with_empty_axes"}))
ARG: Final = Emitter(emit_arg, frozenset({"axis", "keepdims", "select_last_index"}), integers=True)
LOG_SOFTMAX: Final = Emitter(emit_log_softmax, frozenset({"axis"}))
