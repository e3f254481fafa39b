"""Add, Sub, Mul, Div of two values, or of a value and a constant."""

from collections.abc import Callable
from typing import Final

from topformer_cli.deploy.tnn.emit.node import Emitted, Emitter, OnnxNode, require
from topformer_cli.deploy.tnn.layers.elementwise import NO_CONSTANT, Add, Div, Mul, Sub
from topformer_cli.deploy.tnn.layers.record import LayerRecord

_RECORDS: Final[dict[str, Callable[[int], LayerRecord]]] = {
    "Add": Add,
    "Div": Div,
    "Mul": Mul,
    "Sub": Sub,
}


def emit_elementwise(node: OnnxNode) -> list[Emitted]:
    """Write an elementwise operator; a constant gets the rank of the other operand."""
    record = _RECORDS[node.node.op_type]
    rank = len(node.output_shape())
    for place in (0, 1):
        constant = node.constant(place)
        if constant is not None:
            other = len(node.input_shape(1 - place))
            require(other == rank, f"the constant has rank {rank}, the value only {other}")
            full = constant.reshape([1] * (rank - constant.ndim) + list(constant.shape))
            return node.layer(record(place), inputs=(1 - place,), weights=[full])
    left, right = node.input_shape(0), node.input_shape(1)
    require(len(left) == len(right), f"ranks {len(left)} and {len(right)} differ")
    require(
        node.output_shape() in (left, right),
        f"{list(left)} and {list(right)} both broadcast, TNN lets one of them",
    )
    return node.layer(record(NO_CONSTANT), inputs=(0, 1))


ELEMENTWISE: Final = Emitter(emit_elementwise)
