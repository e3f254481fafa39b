"""Push a scale and shift of channels backwards through linear operators.

    s * (a + b) = s a + s b          s * (a * b) = (s a) * b          s * resize(a) = resize(s a)

until convolutions or constants take them up. The shift goes to one of them, on a way that keeps
constants: through sums, resizing and averaging, but through no product.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import onnx_ir as ir

from topformer_cli.deploy.constants import constant_of
from topformer_cli.deploy.onnx_graph import node_name
from topformer_cli.deploy.passes.parts.convolution import NO_CONSTANTS, parameters_of, unpadded
from topformer_cli.deploy.passes.parts.match import (
    Vector,
    channel_constant,
    float32_constant,
    read_elsewhere,
)

_DEEPEST: Final = 100
_SUMS: Final = ("Add", "Sub")
_AVERAGES: Final = ("Resize", "AveragePool", "GlobalAveragePool", "Identity")


class Blocked(Exception):  # noqa: N818 - a finding, not an error
    """Why a scale cannot be taken up by what makes a value."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a scale is taken up: a convolution, or the constant operand of a node.

    sign: what the result sees of a number added here; 0 where a product lies between.
    """

    node: ir.Node
    operand: int | None
    scale: Vector
    sign: int
    shift: Vector


def plan_scale(value: ir.Value, scale: Vector, shift: Vector) -> list[Place]:
    """Return the places that together scale and shift a value; nothing is changed yet.

    Raises:
        Blocked: something on the way is not linear, or is read by others too.
    """
    places = _plan(value, scale, 1, _DEEPEST)
    if not shift.any():
        return places
    # A constant operand last: a convolution's bias is there anyway.
    fitting = [place for place in places if place.sign]
    if not fitting:
        message = "its bias would have to pass a product"
        raise Blocked(message)
    chosen = min(fitting, key=lambda place: place.operand is not None)
    taken = replace(chosen, shift=chosen.sign * shift)
    return [taken if place is chosen else place for place in places]


def passes_scale(node: ir.Node) -> bool:
    """Tell whether a node resizes or averages each channel alone and keeps constants."""
    if node.op_type == "Resize":
        mode = node.attributes.get_string("coordinate_transformation_mode", "half_pixel")
        return mode != "tf_crop_and_resize" and _channels_stay(node)
    if node.op_type == "AveragePool":
        return unpadded(node) and not node.attributes.get_int("ceil_mode", 0)
    return node.op_type in _AVERAGES


def write_plan(graph: ir.Graph, places: list[Place]) -> None:
    """Scale and shift what the plan names."""
    for place in places:
        if place.operand is not None:
            _write_constant(graph, place)
        elif parameters := parameters_of(place.node):
            parameters.scale_outputs(place.scale, place.shift)
            parameters.write(graph)


def _plan(value: ir.Value, scale: Vector, sign: int, depth: int) -> list[Place]:
    node = value.producer()
    if node is None:
        message = f"{value.name} is an input of the graph"
        raise Blocked(message)
    if reason := read_elsewhere(value):
        raise Blocked(reason)
    if depth == 0:
        message = f"more than {_DEEPEST} operators lie behind {node_name(node)}"
        raise Blocked(message)
    if node.op_type == "Conv":
        return [_in_convolution(node, scale, sign)]
    if node.op_type in _SUMS:
        right = -sign if node.op_type == "Sub" else sign
        return [
            *_plan_operand(node, 0, scale, (sign, depth - 1)),
            *_plan_operand(node, 1, scale, (right, depth - 1)),
        ]
    if node.op_type == "Mul":
        return _plan_product(node, scale, depth - 1)
    if passes_scale(node):
        return _plan_operand(node, 0, scale, (sign, depth - 1))
    message = f"{node_name(node)} ({node.op_type}) is not linear, or changes constants"
    raise Blocked(message)


def _in_convolution(node: ir.Node, scale: Vector, sign: int) -> Place:
    if parameters_of(node) is None:
        raise Blocked(NO_CONSTANTS)
    return Place(node, None, scale, sign, np.zeros_like(scale))


def _plan_operand(node: ir.Node, operand: int, scale: Vector, way: tuple[int, int]) -> list[Place]:
    value = node.inputs[operand]
    sign, depth = way
    assert value is not None
    if constant_of(value) is None:
        if value.shape is None or len(value.shape) < 2 or value.shape[1] != len(scale):
            message = f"{value.name} has other channels and is spread over them"
            raise Blocked(message)
        return _plan(value, scale, sign, depth)
    if channel_constant(value, node.outputs[0]) is None:
        message = f"the constant of {node_name(node)} is not one number a channel"
        raise Blocked(message)
    return [Place(node, operand, scale, sign, np.zeros_like(scale))]


def _plan_product(node: ir.Node, scale: Vector, depth: int) -> list[Place]:
    """Let one factor take the scale: the first that can."""
    reasons = []
    for operand in range(2):
        try:
            return _plan_operand(node, operand, scale, (0, depth))
        except Blocked as reason:
            reasons.append(str(reason))
    message = f"neither factor of {node_name(node)} can take a scale: {'; '.join(reasons)}"
    raise Blocked(message)


def _channels_stay(node: ir.Node) -> bool:
    given, made = node.inputs[0], node.outputs[0]
    if given is None or given.shape is None or made.shape is None:
        return False
    return len(given.shape) > 1 and given.shape[:2] == made.shape[:2]


def _write_constant(graph: ir.Graph, place: Place) -> None:
    assert place.operand is not None
    output = place.node.outputs[0]
    numbers = channel_constant(place.node.inputs[place.operand], output)
    assert numbers is not None
    rank = len(output.shape or ())
    scaled = (numbers * place.scale + place.shift).reshape(1, -1, *[1] * (rank - 2))
    place.node.replace_input_with(
        place.operand, float32_constant(graph, f"{output.name}.scaled", scaled)
    )
