"""Concat and Split."""

from typing import Final

import numpy as np

from topformer_cli.deploy.tnn.emit.border import Border, bordered
from topformer_cli.deploy.tnn.emit.node import Chain, Emitted, Emitter, OnnxNode, require
from topformer_cli.deploy.tnn.emit.shape import to_shape
from topformer_cli.deploy.tnn.layers.channels import Concat, SplitV
from topformer_cli.deploy.tnn.layers.elementwise import Add


def emit_concat(node: OnnxNode) -> list[Emitted]:
    """Write a concatenation; constants at its ends are added to zeros.

    TNN makes no blob from a stored constant on ARM.
    """
    chain, axis = Chain(node), node.axis(1)
    constants = [node.constant(i) for i in range(len(node.node.inputs))]
    computed = [i for i, constant in enumerate(constants) if constant is None]
    require(bool(computed), "all inputs are constants")
    first, last = computed[0], computed[-1] + 1
    require(len(computed) == last - first, "a constant between computed values")
    blobs = [node.blob(i) for i in computed]
    if len(computed) == len(constants):
        record = Concat(axis) if len(blobs) > 1 else to_shape(*node.output_shape())
        return chain.end(record, *blobs)
    blob = chain.add(Concat(axis), *blobs) if len(blobs) > 1 else blobs[0]
    before, after = [0] * len(node.output_shape()), [0] * len(node.output_shape())
    before[axis] = sum(node.input_shape(i)[axis] for i in range(first))
    after[axis] = sum(node.input_shape(i)[axis] for i in range(last, len(constants)))
    shape = [
        size - front - back
        for size, front, back in zip(node.output_shape(), before, after, strict=True)
    ]
    blob = bordered(chain, blob, shape, Border(tuple(before), tuple(after)))
    parts = [
        np.zeros(node.input_shape(i), np.float32) if constant is None else constant
        for i, constant in enumerate(constants)
    ]
    return chain.end(Add(1), blob, weights=[np.concatenate(parts, axis)])


def emit_split(node: OnnxNode) -> list[Emitted]:
    """Write a split; the sizes are those of the outputs."""
    axis = node.axis(0)
    sizes = tuple(node.output_shape(i)[axis] for i in range(len(node.node.outputs)))
    return node.layer(SplitV(axis, sizes))


CONCAT: Final = Emitter(emit_concat, frozenset({"axis"}))
SPLIT: Final = Emitter(emit_split, frozenset({"axis", "num_outputs"}))
