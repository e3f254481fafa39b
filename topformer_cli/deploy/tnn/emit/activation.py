"""Relu, Clip, Sigmoid, HardSigmoid, HardSwish, and those that bend below zero."""

from typing import Final

import numpy as np

from topformer_cli.deploy.tnn.emit.node import Chain, Emitted, Emitter, OnnxNode, require
from topformer_cli.deploy.tnn.layers.activation import (
    Clip,
    HardSigmoid,
    HardSwish,
    ReLU,
    ReLU6,
    Sigmoid,
)
from topformer_cli.deploy.tnn.layers.channelwise import PReLU
from topformer_cli.deploy.tnn.layers.elementwise import Add, Minimum, Mul
from topformer_cli.deploy.tnn.layers.unary import Elu, Selu

_LARGEST: Final = float(np.finfo(np.float32).max)


def emit_relu(node: OnnxNode) -> list[Emitted]:
    """Write a ReLU."""
    return node.layer(ReLU())


def emit_clip(node: OnnxNode) -> list[Emitted]:
    """Write 0..6 as ReLU6 and 0.. as ReLU, which TNN fuses into convolutions, else Clip."""
    low, high = _bound(node, 1, -_LARGEST), _bound(node, 2, _LARGEST)
    if (low, high) == (0, 6):
        return node.layer(ReLU6())
    return node.layer(ReLU() if (low, high) == (0, _LARGEST) else Clip(low, high))


def emit_sigmoid(node: OnnxNode) -> list[Emitted]:
    """Write a sigmoid."""
    return node.layer(Sigmoid())


def emit_hard_sigmoid(node: OnnxNode) -> list[Emitted]:
    """Write a hard sigmoid with ONNX's defaults."""
    return node.layer(HardSigmoid(node.number("alpha", 0.2), node.number("beta", 0.5)))


def emit_hard_swish(node: OnnxNode) -> list[Emitted]:
    """Write x * hard sigmoid(x) with ONNX's fixed parameters.

    TNN's NAIVE device computes HardSwish wrongly with five dimensions.
    """
    sixth = float(np.float32(1 / 6))
    if len(node.input_shape(0)) < 5:
        return node.layer(HardSwish(sixth, 0.5))
    chain, x = Chain(node), node.blob()
    return chain.end(Mul(), x, chain.add(HardSigmoid(sixth, 0.5), x))


def emit_leaky_relu(node: OnnxNode) -> list[Emitted]:
    """Write a PReLU with one slope."""
    return node.layer(PReLU(1), weights=[np.array([node.number("alpha", 0.01)])])


def emit_prelu(node: OnnxNode) -> list[Emitted]:
    """Write one slope, or one a channel, as PReLU; compose slopes of other shapes."""
    slope, shape = node.required_constant(1, "the slope"), node.input_shape(0)
    full = slope.reshape([1] * (len(shape) - slope.ndim) + list(slope.shape))
    if full.size == 1:
        return node.layer(PReLU(1), weights=[full.reshape(1)])
    if full.ndim > 1 and full.shape[1] == full.size == shape[1]:
        return node.layer(PReLU(0), weights=[full.reshape(-1)])
    require(node.output_shape() == shape, f"slopes of shape {list(slope.shape)}")
    chain, x = Chain(node), node.blob()
    low = chain.add(Minimum(1), x, weights=[np.zeros([1] * len(shape))])
    return chain.end(Add(), chain.add(ReLU(), x), chain.add(Mul(1), low, weights=[full]))


def emit_elu(node: OnnxNode) -> list[Emitted]:
    """Write an exponential linear unit."""
    return node.layer(Elu(node.number("alpha", 1.0)))


def emit_selu(node: OnnxNode) -> list[Emitted]:
    """Write a scaled exponential linear unit with ONNX's defaults."""
    alpha = node.number("alpha", 1.67326319217681884765625)
    return node.layer(Selu(alpha, node.number("gamma", 1.05070102214813232421875)))


def _bound(node: OnnxNode, index: int, default: float) -> float:
    if node.value(index) is None:
        return default
    bound = node.required_constant(index, "a bound of Clip").reshape(-1)[0]
    return float(np.clip(bound, -_LARGEST, _LARGEST))


RELU: Final = Emitter(emit_relu)
CLIP: Final = Emitter(emit_clip)
SIGMOID: Final = Emitter(emit_sigmoid)
HARD_SIGMOID: Final = Emitter(emit_hard_sigmoid, frozenset({"alpha", "beta"}))
HARD_SWISH: Final = Emitter(emit_hard_swish)
LEAKY_RELU: Final = Emitter(emit_leaky_relu, frozenset({"alpha"}))
PRELU: Final = Emitter(emit_prelu)
ELU: Final = Emitter(emit_elu, frozenset({"alpha"}))
SELU: Final = Emitter(emit_selu, frozenset({"alpha", "gamma"}))
