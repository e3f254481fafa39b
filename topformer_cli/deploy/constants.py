"""Constants of an ONNX graph, read and made."""

from typing import Any

import onnx_ir as ir
from numpy.typing import NDArray


def constant_of(value: ir.Value | None) -> NDArray[Any] | None:
    """Return the array of a constant, or None when the value is computed or absent."""
    if value is None or value.is_graph_input():
        return None
    tensor = ir.convenience.get_const_tensor(value)
    return None if tensor is None else tensor.numpy()


def scalar_of(value: ir.Value | None) -> float | None:
    """Return the number of a constant with one element, or None."""
    array = constant_of(value)
    return float(array.reshape(-1)[0]) if array is not None and array.size == 1 else None


def new_constant(graph: ir.Graph, name: str, array: NDArray[Any]) -> ir.Value:
    """Add a constant to the graph under a name that is still free."""
    while name in graph.initializers:
        name += "_"
    value = ir.val(name, const_value=ir.tensor(array, name=name))
    graph.register_initializer(value)
    return value
