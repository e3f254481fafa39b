"""Nodes that scale and shift every channel by constants."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import onnx_ir as ir

from topformer_cli.deploy.constants import constant_of
from topformer_cli.deploy.passes.parts.match import Vector, channel_constant

Pair = tuple[Vector, Vector]

NOT_PER_CHANNEL: Final = "its constant is not one number a channel"


@dataclass(frozen=True, slots=True)
class Affine:
    """y = scale * x + shift, a number of each a channel (axis 1)."""

    x: ir.Value
    scale: Vector
    shift: Vector


def _scale(numbers: Vector) -> Pair:
    return numbers, np.zeros_like(numbers)


def _shift(numbers: Vector, sign: float = 1) -> Pair:
    return np.full_like(numbers, sign), numbers


def _inverse(numbers: Vector) -> Pair:
    with np.errstate(divide="ignore"):
        return _scale(1 / numbers)


_RIGHT: Final[dict[str, Callable[[Vector], Pair]]] = {
    "Mul": _scale,
    "Div": _inverse,
    "Add": _shift,
    "Sub": lambda numbers: _shift(-numbers),
}
_LEFT: Final[dict[str, Callable[[Vector], Pair]]] = {
    "Mul": _scale,
    "Add": _shift,
    "Sub": lambda numbers: _shift(numbers, -1),
}


def affine_of(node: ir.Node) -> Affine | None:
    """Read Mul, Div, Add, Sub or BatchNormalization with constants as scale and shift.

    None where it is no such node, the constant divides or is divided without a finite result, or
    it is not one number a channel.
    """
    if node.domain not in ("", "ai.onnx"):
        return None
    if node.op_type == "BatchNormalization":
        return _normalisation(node)
    if node.op_type not in _RIGHT:
        return None
    left, right = node.inputs
    for x, constant, table in ((left, right, _RIGHT), (right, left, _LEFT)):
        if x is None or constant_of(x) is not None or node.op_type not in table:
            continue
        numbers = channel_constant(constant, x)
        if numbers is None:
            continue
        scale, shift = table[node.op_type](numbers)
        return Affine(x, scale, shift) if np.isfinite([scale, shift]).all() else None
    return None


def looks_affine(node: ir.Node) -> bool:
    """Tell whether a node has the operator of a scale or shift, and a constant or statistics."""
    if node.op_type == "BatchNormalization":
        return True
    return node.op_type in _RIGHT and any(constant_of(value) is not None for value in node.inputs)


def _normalisation(node: ir.Node) -> Affine | None:
    x, *statistics = node.inputs
    arrays = [constant_of(value) for value in statistics]
    training = node.attributes.get_int("training_mode", 0)
    if x is None or training:
        return None
    gamma, beta, mean, variance = (
        array.astype(np.float64) if array is not None else None for array in arrays
    )
    if gamma is None or beta is None or mean is None or variance is None:
        return None
    scale = gamma / np.sqrt(variance + node.attributes.get_float("epsilon", 1e-5))
    return Affine(x, scale, beta - mean * scale)
