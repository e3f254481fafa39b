"""Functions of one value: those TNN has, and those composed of several layers."""

import math
from typing import Final

from topformer_cli.deploy.tnn.emit.node import Chain, Emitted, Emitter, OnnxNode, require, scalar
from topformer_cli.deploy.tnn.layers.activation import Sigmoid
from topformer_cli.deploy.tnn.layers.elementwise import Add, Div, Mul, Sub
from topformer_cli.deploy.tnn.layers.record import LayerRecord
from topformer_cli.deploy.tnn.layers.unary import (
    Abs,
    Ceil,
    Exp,
    Floor,
    Gelu,
    Log,
    Neg,
    Reciprocal,
    Sign,
    Softplus,
    Sqrt,
    Tanh,
)

_RECORDS: Final[dict[str, LayerRecord]] = {
    "Abs": Abs(),
    "Ceil": Ceil(),
    "Exp": Exp(),
    "Floor": Floor(),
    "Log": Log(),
    "Neg": Neg(),
    "Reciprocal": Reciprocal(),
    "Sign": Sign(),
    "Softplus": Softplus(),
    "Sqrt": Sqrt(),
    "Tanh": Tanh(),
}
_ERF_SCALE: Final = 0.3275911
_ERF: Final = (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592)
"""Abramowitz and Stegun 7.1.26: right to 1.5e-7."""


def emit_unary(node: OnnxNode) -> list[Emitted]:
    """Write the layer of the same meaning."""
    return node.layer(_RECORDS[node.node.op_type])


def emit_gelu(node: OnnxNode) -> list[Emitted]:
    """Write TNN's GELU, which is the exact one, or compose the tanh form."""
    form = node.text("approximate", "none")
    require(form in ("none", "tanh"), f"approximate {form}")
    if form == "none":
        return node.layer(Gelu())
    chain, x, rank = Chain(node), node.blob(), len(node.input_shape(0))
    cube = chain.add(Mul(), chain.add(Mul(), x, x), x)
    bent = chain.add(Add(), x, chain.add(Mul(1), cube, weights=scalar(0.044715, rank)))
    inner = chain.add(Mul(1), bent, weights=scalar(math.sqrt(2 / math.pi), rank))
    one = chain.add(Add(1), chain.add(Tanh(), inner), weights=scalar(1, rank))
    return chain.end(Mul(), chain.add(Mul(1), one, weights=scalar(0.5, rank)), x)


def emit_erf(node: OnnxNode) -> list[Emitted]:
    """Compose the error function, which TNN's ARM device lacks.

    erf x = sign x (1 - (a1 t + .. + a5 t^5) exp(-x^2)) with t = 1 / (1 + p |x|)
    """
    chain, x, rank = Chain(node), node.blob(), len(node.input_shape(0))
    scaled = chain.add(Mul(1), chain.add(Abs(), x), weights=scalar(_ERF_SCALE, rank))
    t = chain.add(Reciprocal(), chain.add(Add(1), scaled, weights=scalar(1, rank)))
    tail = chain.add(Mul(1), t, weights=scalar(_ERF[0], rank))
    for factor in _ERF[1:]:
        tail = chain.add(Mul(), chain.add(Add(1), tail, weights=scalar(factor, rank)), t)
    bell = chain.add(Exp(), chain.add(Neg(), chain.add(Mul(), x, x)))
    size = chain.add(Sub(0), chain.add(Mul(), tail, bell), weights=scalar(1, rank))
    return chain.end(Mul(), size, chain.add(Sign(), x))


def emit_mish(node: OnnxNode) -> list[Emitted]:
    """Compose x tanh(log(1 + exp(x)))."""
    chain, x = Chain(node), node.blob()
    return chain.end(Mul(), x, chain.add(Tanh(), chain.add(Softplus(), x)))


def emit_swish(node: OnnxNode) -> list[Emitted]:
    """Compose x sigmoid(alpha x); TNN's own Swish is on fewer devices."""
    chain, x, rank = Chain(node), node.blob(), len(node.input_shape(0))
    alpha = node.number("alpha", 1.0)
    inner = x if alpha == 1 else chain.add(Mul(1), x, weights=scalar(alpha, rank))
    return chain.end(Mul(), x, chain.add(Sigmoid(), inner))


def emit_softsign(node: OnnxNode) -> list[Emitted]:
    """Compose x / (1 + |x|)."""
    chain, x, rank = Chain(node), node.blob(), len(node.input_shape(0))
    return chain.end(Div(), x, chain.add(Add(1), chain.add(Abs(), x), weights=scalar(1, rank)))


UNARY: Final = Emitter(emit_unary)
GELU: Final = Emitter(emit_gelu, frozenset({"approximate"}))
ERF: Final = Emitter(emit_erf)
MISH: Final = Emitter(emit_mish)
SWISH: Final = Emitter(emit_swish, frozenset({"alpha"}))
SOFTSIGN: Final = Emitter(emit_softsign)
