"""BatchNormalization that stands alone, LayerNormalization, InstanceNormalization, GroupNorm.

TNN's own LayerNorm wants its weights as blobs, which its ARM device cannot make from a file. Its
instance normalisation is there on all devices, with a fixed epsilon e: another epsilon E is the
same as scaling the input by sqrt(e / E) first.
"""

import math
from typing import Final

import numpy as np

from topformer_cli.deploy.tnn.emit.node import Chain, Emitted, Emitter, OnnxNode, require, scalar
from topformer_cli.deploy.tnn.emit.shape import to_shape
from topformer_cli.deploy.tnn.layers.channelwise import (
    INSTANCE_EPSILON,
    BatchNormCxx,
    InstBatchNormCxx,
)
from topformer_cli.deploy.tnn.layers.elementwise import Add, Mul


def emit_batch_normalization(node: OnnxNode) -> list[Emitted]:
    """Write scale and shift of each channel, computed from the statistics."""
    require(not node.integer("training_mode", 0), "training_mode 1; export in evaluation mode")
    names = ("scale", "bias", "mean", "variance")
    gamma, beta, mean, variance = (
        node.required_constant(place, f"the {name}").astype(np.float64)
        for place, name in enumerate(names, 1)
    )
    scale = gamma / np.sqrt(variance + node.number("epsilon", 1e-5))
    require(len(node.input_shape(0)) > 1, "rank 1")
    return node.layer(BatchNormCxx(), weights=[scale, beta - mean * scale])


def emit_instance_normalization(node: OnnxNode) -> list[Emitted]:
    """Write an instance normalisation."""
    chain = Chain(node)
    scale, bias = (node.required_constant(i, n) for i, n in ((1, "the scale"), (2, "the bias")))
    require(len(node.input_shape(0)) > 2, f"rank {len(node.input_shape(0))}")
    blob = _adjusted(chain, node, node.blob(), len(node.input_shape(0)))
    return chain.end(InstBatchNormCxx(len(scale)), blob, weights=[scale, bias])


def emit_layer_normalization(node: OnnxNode) -> list[Emitted]:
    """Write an instance normalisation with the leading dimensions as channels, scale and shift."""
    require(len(node.results()) == 1, "mean or deviation is wanted")
    chain, shape, axis = Chain(node), node.input_shape(0), node.axis(-1)
    rows, width = math.prod(shape[:axis]), math.prod(shape[axis:])
    flat = (1, rows, width)
    blob = node.blob() if shape == flat else chain.add(to_shape(*flat), node.blob())
    blob = _normalised(chain, node, blob, rows)
    scale = node.required_constant(1, "the scale").reshape(1, 1, -1)
    blob = chain.add(Mul(1), blob, weights=[scale])
    if node.value(2) is not None:
        bias = node.required_constant(2, "the bias").reshape(1, 1, -1)
        blob = chain.add(Add(1), blob, weights=[bias])
    return chain.done(blob) if shape == flat else chain.end(to_shape(*shape), blob)


def emit_group_normalization(node: OnnxNode) -> list[Emitted]:
    """Write an instance normalisation with the groups as channels, scale and shift."""
    chain, shape, groups = Chain(node), node.input_shape(0), node.integer("num_groups", 1)
    width = math.prod(shape[1:]) // groups
    blob = chain.add(to_shape(shape[0], groups, width), node.blob())
    blob = chain.add(to_shape(*shape), _normalised(chain, node, blob, groups))
    weights = [
        # Up to opset 20 there is one scale and bias a group.
        np.repeat(array, shape[1] // len(array))
        for array in (node.required_constant(i, n) for i, n in ((1, "the scale"), (2, "the bias")))
    ]
    return chain.end(BatchNormCxx(), blob, weights=weights)


def _normalised(chain: Chain, node: OnnxNode, blob: str, channels: int) -> str:
    plain = np.ones(channels), np.zeros(channels)
    blob = _adjusted(chain, node, blob, 3)
    return chain.add(InstBatchNormCxx(channels), blob, weights=plain)


def _adjusted(chain: Chain, node: OnnxNode, blob: str, rank: int) -> str:
    epsilon = node.number("epsilon", 1e-5)
    require(epsilon > 0, f"epsilon {epsilon:g}")
    ratio = INSTANCE_EPSILON / epsilon
    if abs(ratio - 1) < 1e-6:
        return blob
    return chain.add(Mul(1), blob, weights=scalar(math.sqrt(ratio), rank))


BATCH_NORM: Final = Emitter(
    emit_batch_normalization, frozenset({"epsilon", "momentum", "training_mode"})
)
INSTANCE_NORM: Final = Emitter(emit_instance_normalization, frozenset({"epsilon"}))
LAYER_NORM: Final = Emitter(emit_layer_normalization, frozenset({"axis", "epsilon", "stash_type"}))
GROUP_NORM: Final = Emitter(
    emit_group_normalization, frozenset({"epsilon", "num_groups", "stash_type"})
)
