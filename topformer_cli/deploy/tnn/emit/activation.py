"""Relu, Clip, Sigmoid, HardSigmoid, HardSwish."""

from typing import Final

import numpy as np

from topformer_cli.deploy.tnn.emit.node import Emitted, Emitter, OnnxNode
from topformer_cli.deploy.tnn.layers.activation import (
    Clip,
    HardSigmoid,
    HardSwish,
    ReLU,
    ReLU6,
    Sigmoid,
)

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
    """Write x * hard sigmoid(x) with ONNX's fixed parameters."""
    return node.layer(HardSwish(float(np.float32(1 / 6)), 0.5))


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
