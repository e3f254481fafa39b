"""Convolutions with constant weights, as rewrites see them."""

from typing import Final

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from topformer_cli.deploy.constants import constant_of
from topformer_cli.deploy.passes.parts.match import Vector, float32_constant

NO_CONSTANTS: Final = "the convolution's weights are no constants"


class Parameters:
    """Weight [O, I / groups, ...] and bias [O] of a convolution in float64."""

    def __init__(self, conv: ir.Node, weight: NDArray[np.float64], bias: Vector) -> None:
        self.conv = conv
        self.weight = weight
        self.bias = bias
        self.groups = conv.attributes.get_int("group", 1)

    @property
    def outputs(self) -> int:
        """The number of output channels."""
        return int(self.weight.shape[0])

    @property
    def pointwise(self) -> bool:
        """Whether every output position is made of one input position: 1x1, unpadded."""
        return set(self.weight.shape[2:]) == {1} and unpadded(self.conv)

    @property
    def depthwise(self) -> bool:
        """Whether every channel is filtered alone."""
        return self.weight.shape[1] == 1 and self.groups == self.outputs

    def along_outputs(self, numbers: Vector) -> NDArray[np.float64]:
        """Shape numbers for the output channels so that they multiply the weight."""
        return numbers.reshape(-1, *[1] * (self.weight.ndim - 1))

    def along_inputs(self, numbers: Vector) -> NDArray[np.float64]:
        """Shape numbers for the input channels so that they multiply the weight."""
        by_group = numbers.reshape(self.groups, 1, self.weight.shape[1])
        rows = np.repeat(by_group, self.outputs // self.groups, axis=1)
        return rows.reshape(self.outputs, -1, *[1] * (self.weight.ndim - 2))

    def scale_outputs(self, scale: Vector, shift: Vector) -> None:
        """Make it compute scale * y + shift in place of y."""
        self.weight *= self.along_outputs(scale)
        self.bias = self.bias * scale + shift

    def scale_inputs(self, scale: Vector, shift: Vector) -> None:
        """Make it take x where it took scale * x + shift; with padding the shift must be zero."""
        spread = self.weight * self.along_inputs(shift)
        self.bias = self.bias + spread.reshape(self.outputs, -1).sum(axis=1)
        self.weight *= self.along_inputs(scale)

    def write(self, graph: ir.Graph) -> None:
        """Give the convolution weights and bias of its own; others may share the old ones."""
        name = self.conv.outputs[0].name
        self.conv.resize_inputs(3)
        weight = float32_constant(graph, f"{name}.weight", self.weight)
        self.conv.replace_input_with(1, weight)
        self.conv.replace_input_with(2, float32_constant(graph, f"{name}.bias", self.bias))


def parameters_of(conv: ir.Node) -> Parameters | None:
    """Return the parameters of a convolution, or None where they are no float32 constants."""
    weight = constant_of(conv.inputs[1])
    given = conv.inputs[2] if len(conv.inputs) > 2 else None
    bias = constant_of(given)
    if weight is None or weight.dtype != np.float32 or (given is not None and bias is None):
        return None
    numbers = np.zeros(weight.shape[0]) if bias is None else bias.astype(np.float64)
    return Parameters(conv, weight.astype(np.float64), numbers)


def unpadded(node: ir.Node) -> bool:
    """Tell whether a convolution or pooling reads nothing beyond the edge of its input."""
    if node.attributes.get_string("auto_pad", "NOTSET") == "VALID":
        return True
    if node.attributes.get_string("auto_pad", "NOTSET") != "NOTSET":
        return False
    return not any(node.attributes.get_ints("pads", []))
