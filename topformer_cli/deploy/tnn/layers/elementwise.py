"""Add, Sub, Mul, Div, Maximum, Minimum: two inputs, or one input and one constant."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

import torch
from torch import Tensor

from topformer_cli.deploy.tnn.layers.record import LayerRecord

NO_CONSTANT: Final = -1


@dataclass(frozen=True, slots=True)
class _Elementwise(LayerRecord):
    """constant: which operand is the stored constant (0 left, 1 right), -1 with two inputs."""

    constant: int = 1

    def weight_count(self, inputs: int) -> int:
        """Return 1 when only one operand is an input."""
        return 1 if inputs == 1 else 0

    def operands(self, inputs: Sequence[Tensor], weights: Sequence[Tensor]) -> list[Tensor]:
        """Return the two operands in order."""
        operands = [*inputs, *weights]
        if len(operands) != 2 or (weights and self.constant not in (0, 1)):
            message = f"{len(inputs)} inputs and the constant at place {self.constant}"
            raise ValueError(message)
        return operands[::-1] if weights and self.constant == 0 else operands


@dataclass(frozen=True, slots=True)
class Add(_Elementwise):
    """Left + right with broadcasting."""

    TYPE: ClassVar[str] = "Add"
    CODE: ClassVar[int] = 38

    def compute(self, inputs: Sequence[Tensor], weights: Sequence[Tensor]) -> Sequence[Tensor]:
        """Add."""
        return [torch.add(*self.operands(inputs, weights))]


@dataclass(frozen=True, slots=True)
class Sub(_Elementwise):
    """Left - right with broadcasting."""

    TYPE: ClassVar[str] = "Sub"
    CODE: ClassVar[int] = 108

    def compute(self, inputs: Sequence[Tensor], weights: Sequence[Tensor]) -> Sequence[Tensor]:
        """Subtract."""
        return [torch.sub(*self.operands(inputs, weights))]


@dataclass(frozen=True, slots=True)
class Mul(_Elementwise):
    """Left * right with broadcasting."""

    TYPE: ClassVar[str] = "Mul"
    CODE: ClassVar[int] = 42

    def compute(self, inputs: Sequence[Tensor], weights: Sequence[Tensor]) -> Sequence[Tensor]:
        """Multiply."""
        return [torch.mul(*self.operands(inputs, weights))]


@dataclass(frozen=True, slots=True)
class Div(_Elementwise):
    """Left / right with broadcasting."""

    TYPE: ClassVar[str] = "Div"
    CODE: ClassVar[int] = 175

    def compute(self, inputs: Sequence[Tensor], weights: Sequence[Tensor]) -> Sequence[Tensor]:
        """Divide."""
        return [torch.div(*self.operands(inputs, weights))]


@dataclass(frozen=True, slots=True)
class Maximum(_Elementwise):
    """The larger of left and right with broadcasting."""

    TYPE: ClassVar[str] = "Maximum"
    CODE: ClassVar[int] = 137

    def compute(self, inputs: Sequence[Tensor], weights: Sequence[Tensor]) -> Sequence[Tensor]:
        """Take the larger."""
        return [torch.maximum(*self.operands(inputs, weights))]


@dataclass(frozen=True, slots=True)
class Minimum(_Elementwise):
    """The smaller of left and right with broadcasting."""

    TYPE: ClassVar[str] = "Minimum"
    CODE: ClassVar[int] = 140

    def compute(self, inputs: Sequence[Tensor], weights: Sequence[Tensor]) -> Sequence[Tensor]:
        """Take the smaller."""
        return [torch.minimum(*self.operands(inputs, weights))]
