"""MatMul of two values, or of a value and a constant matrix."""

import math
from typing import Final

from topformer_cli.deploy.tnn.emit.node import Emitted, Emitter, OnnxNode, require
from topformer_cli.deploy.tnn.layers.matmul import NO_CONSTANT, MatMul


def emit_matmul(node: OnnxNode) -> list[Emitted]:
    """Write a matrix product; TNN broadcasts nothing but a batch of one."""
    for place in (0, 1):
        constant = node.constant(place)
        if constant is not None:
            batch = math.prod(constant.shape[:-2])
            rank = len(node.input_shape(1 - place))
            fits = constant.ndim >= 2 and batch == 1 and rank >= max(2, constant.ndim)
            require(fits, f"a constant of shape {list(constant.shape)} with a value of rank {rank}")
            matrix = constant.reshape(constant.shape[-2:])
            return node.layer(MatMul(place), inputs=(1 - place,), weights=[matrix])
    left, right = node.input_shape(0)[:-2], node.input_shape(1)[:-2]
    same = left == right or math.prod(left) == 1 or math.prod(right) == 1
    ranks = min(len(node.input_shape(i)) for i in (0, 1))
    require(same and ranks >= 2, f"batches {list(left)} and {list(right)} broadcast")
    return node.layer(MatMul(NO_CONSTANT), inputs=(0, 1))


MATMUL: Final = Emitter(emit_matmul)
