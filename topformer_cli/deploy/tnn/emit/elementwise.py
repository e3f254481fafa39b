"""Arithmetic of two or more values, any of them a constant, with broadcasting."""

import math
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from topformer_cli.deploy.tnn.emit.node import (
    Chain,
    Emitted,
    Emitter,
    OnnxNode,
    require,
    scalar,
    static_shape,
)
from topformer_cli.deploy.tnn.emit.shape import to_shape
from topformer_cli.deploy.tnn.layers.elementwise import (
    NO_CONSTANT,
    Add,
    Div,
    Maximum,
    Minimum,
    Mul,
    Sub,
)
from topformer_cli.deploy.tnn.layers.parts import Expand
from topformer_cli.deploy.tnn.layers.record import LayerRecord
from topformer_cli.deploy.tnn.layers.unary import Exp, Power, Reciprocal, Sqrt

_RECORDS: Final[dict[str, Callable[[int], LayerRecord]]] = {
    "Add": Add,
    "Div": Div,
    "Max": Maximum,
    "Min": Minimum,
    "Mul": Mul,
    "Sub": Sub,
    "Sum": Add,
}

_MAP_RANK: Final = 4


def emit_elementwise(node: OnnxNode) -> list[Emitted]:
    """Write the operator; further operands of Max, Min and Sum are folded in one after another."""
    record, chain = _RECORDS[node.node.op_type], Chain(node)
    last = len(node.node.inputs) - 1
    if last == 0:
        return chain.end(to_shape(*node.output_shape()), node.blob())
    left = _operand(node, 0)
    for place in range(1, last):
        shape = np.broadcast_shapes(left[1], node.input_shape(place))
        layer, inputs, weights = _prepare(chain, record, (left, _operand(node, place)), shape)
        left = (chain.add(layer, *inputs, weights=weights), shape)
    pair = (left, _operand(node, last))
    final, inputs, weights = _prepare(chain, record, pair, node.output_shape())
    return chain.end(final, *inputs, weights=weights)


_Operand = tuple[str | NDArray[Any], tuple[int, ...]]
_Prepared = tuple[LayerRecord, list[str], list[NDArray[Any]]]


def _operand(node: OnnxNode, place: int) -> _Operand:
    constant = node.constant(place)
    if constant is not None:
        return constant, constant.shape
    return node.blob(place), static_shape(node.value(place))


def _prepare(
    chain: Chain,
    record: Callable[[int], LayerRecord],
    operands: tuple[_Operand, _Operand],
    shape: tuple[int, ...],
) -> _Prepared:
    """Bring the operands to one rank; one of the computed ones must have the output's shape."""
    computed = {
        place: _to_rank(chain, operand, len(shape))
        for place, operand in enumerate(operands)
        if isinstance(operand[0], str)
    }
    require(bool(computed), "all inputs are constants")
    first, (blob, _) = next(iter(computed.items()))
    if len(computed) == 2:
        whole = [size == shape for _, size in computed.values()]
        blobs = [name for name, _ in computed.values()]
        for place in range(2):
            # With five dimensions TNN broadcasts wrongly on ARM and X86.
            if not whole[place] and (len(shape) > _MAP_RANK or not any(whole)):
                blobs[place] = chain.add(Expand(shape), blobs[place])
                whole[place] = True
        return record(NO_CONSTANT), blobs, []
    if computed[first][1] != shape:
        blob = chain.add(Expand(shape), blob)
    constant = operands[1 - first][0]
    assert not isinstance(constant, str)
    full = constant.reshape([1] * (len(shape) - constant.ndim) + list(constant.shape))
    if len(shape) > _MAP_RANK:
        full = np.broadcast_to(full, shape)
    return record(1 - first), [blob], [full]


def _to_rank(chain: Chain, operand: _Operand, rank: int) -> tuple[str, tuple[int, ...]]:
    blob, shape = operand
    assert isinstance(blob, str)
    if len(shape) == rank:
        return blob, shape
    full = (*[1] * (rank - len(shape)), *shape)
    return chain.add(to_shape(*full), blob), full


def emit_power(node: OnnxNode) -> list[Emitted]:
    """Write x to a constant number, or a constant number to x; small powers as plain arithmetic."""
    chain, rank = Chain(node), len(node.output_shape())
    base, exponent = node.constant(0), node.constant(1)
    if base is not None:
        require(base.size == 1 and float(base.reshape(-1)[0]) > 0, "a base that is no number > 0")
        factor = math.log(float(base.reshape(-1)[0]))
        return chain.end(Exp(), chain.add(Mul(1), node.blob(1), weights=scalar(factor, rank)))
    require(exponent is not None and exponent.size == 1, "an exponent that is no constant number")
    assert exponent is not None
    require(len(node.input_shape(0)) == rank, "an exponent of higher rank")
    power, x = float(exponent.reshape(-1)[0]), node.blob()
    if power == 2:
        return chain.end(Mul(), x, x)
    if power == 3:
        return chain.end(Mul(), chain.add(Mul(), x, x), x)
    if power == -0.5:
        return chain.end(Reciprocal(), chain.add(Sqrt(), x))
    records: dict[float, LayerRecord] = {0.5: Sqrt(), -1.0: Reciprocal()}
    return chain.end(records.get(power, Power(power)), x)


ELEMENTWISE: Final = Emitter(emit_elementwise)
POWER: Final = Emitter(emit_power)
