"""Functions of one value, applied to every element."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch import Tensor

from topformer_cli.deploy.tnn.layers.record import LayerRecord


@dataclass(frozen=True, slots=True)
class Abs(LayerRecord):
    """|x|."""

    TYPE: ClassVar[str] = "Abs"
    CODE: ClassVar[int] = 41

    def compute(self, inputs: Sequence[Tensor], weights: Sequence[Tensor]) -> Sequence[Tensor]:  # noqa: ARG002
        """Drop the sign."""
        return [inputs[0].abs()]


@dataclass(frozen=True, slots=True)
class Ceil(LayerRecord):
    """The smallest integer not below x."""

    TYPE: ClassVar[str] = "Ceil"
    CODE: ClassVar[int] = 195

    def compute(self, inputs: Sequence[Tensor], weights: Sequence[Tensor]) -> Sequence[Tensor]:  # noqa: ARG002
        """Round up."""
        return [inputs[0].ceil()]


@dataclass(frozen=True, slots=True)
class Elu(LayerRecord):
    """x above 0, else alpha (exp(x) - 1)."""

    TYPE: ClassVar[str] = "Elu"
    CODE: ClassVar[int] = 132

    alpha: float = 1.0

    def compute(self, inputs: Sequence[Tensor], weights: Sequence[Tensor]) -> Sequence[Tensor]:  # noqa: ARG002
        """Bend below zero."""
        return [F.elu(inputs[0], self.alpha)]


@dataclass(frozen=True, slots=True)
class Exp(LayerRecord):
    """exp(x)."""

    TYPE: ClassVar[str] = "Exp"
    CODE: ClassVar[int] = 141

    def compute(self, inputs: Sequence[Tensor], weights: Sequence[Tensor]) -> Sequence[Tensor]:  # noqa: ARG002
        """Exponentiate."""
        return [inputs[0].exp()]


@dataclass(frozen=True, slots=True)
class Floor(LayerRecord):
    """The largest integer not above x."""

    TYPE: ClassVar[str] = "Floor"
    CODE: ClassVar[int] = 186

    def compute(self, inputs: Sequence[Tensor], weights: Sequence[Tensor]) -> Sequence[Tensor]:  # noqa: ARG002
        """Round down."""
        return [inputs[0].floor()]


@dataclass(frozen=True, slots=True)
class Gelu(LayerRecord):
    """x (1 + erf(x / sqrt 2)) / 2; ARM takes the tanh form unless precision is HIGH or NORMAL."""

    TYPE: ClassVar[str] = "GELU"
    CODE: ClassVar[int] = 327

    def compute(self, inputs: Sequence[Tensor], weights: Sequence[Tensor]) -> Sequence[Tensor]:  # noqa: ARG002
        """Gate by the normal distribution."""
        return [F.gelu(inputs[0])]


@dataclass(frozen=True, slots=True)
class Log(LayerRecord):
    """The natural logarithm."""

    TYPE: ClassVar[str] = "Log"
    CODE: ClassVar[int] = 184

    def compute(self, inputs: Sequence[Tensor], weights: Sequence[Tensor]) -> Sequence[Tensor]:  # noqa: ARG002
        """Take the logarithm."""
        return [inputs[0].log()]


@dataclass(frozen=True, slots=True)
class Neg(LayerRecord):
    """-x."""

    TYPE: ClassVar[str] = "Neg"
    CODE: ClassVar[int] = 70

    def compute(self, inputs: Sequence[Tensor], weights: Sequence[Tensor]) -> Sequence[Tensor]:  # noqa: ARG002
        """Negate."""
        return [-inputs[0]]


@dataclass(frozen=True, slots=True)
class Power(LayerRecord):
    """(scale x + shift) ^ exponent."""

    TYPE: ClassVar[str] = "Power"
    CODE: ClassVar[int] = 69

    exponent: float
    scale: float = 1.0
    shift: float = 0.0

    def compute(self, inputs: Sequence[Tensor], weights: Sequence[Tensor]) -> Sequence[Tensor]:  # noqa: ARG002
        """Scale, shift and raise."""
        return [(inputs[0] * self.scale + self.shift) ** self.exponent]


@dataclass(frozen=True, slots=True)
class Reciprocal(LayerRecord):
    """1 / x."""

    TYPE: ClassVar[str] = "Reciprocal"
    CODE: ClassVar[int] = 185

    def compute(self, inputs: Sequence[Tensor], weights: Sequence[Tensor]) -> Sequence[Tensor]:  # noqa: ARG002
        """Invert."""
        return [inputs[0].reciprocal()]


@dataclass(frozen=True, slots=True)
class Selu(LayerRecord):
    """gamma x above 0, else gamma alpha (exp(x) - 1)."""

    TYPE: ClassVar[str] = "Selu"
    CODE: ClassVar[int] = 187

    alpha: float
    gamma: float

    def compute(self, inputs: Sequence[Tensor], weights: Sequence[Tensor]) -> Sequence[Tensor]:  # noqa: ARG002
        """Bend below zero and scale."""
        return [self.gamma * F.elu(inputs[0], self.alpha)]


@dataclass(frozen=True, slots=True)
class Sign(LayerRecord):
    """1, 0 or -1."""

    TYPE: ClassVar[str] = "Sign"
    CODE: ClassVar[int] = 176

    def compute(self, inputs: Sequence[Tensor], weights: Sequence[Tensor]) -> Sequence[Tensor]:  # noqa: ARG002
        """Take the sign."""
        return [inputs[0].sign()]


@dataclass(frozen=True, slots=True)
class Softplus(LayerRecord):
    """log(1 + exp(x))."""

    TYPE: ClassVar[str] = "Softplus"
    CODE: ClassVar[int] = 174

    def compute(self, inputs: Sequence[Tensor], weights: Sequence[Tensor]) -> Sequence[Tensor]:  # noqa: ARG002
        """Soften the ramp."""
        return [F.softplus(inputs[0], threshold=100.0)]


@dataclass(frozen=True, slots=True)
class Sqrt(LayerRecord):
    """The square root."""

    TYPE: ClassVar[str] = "Sqrt"
    CODE: ClassVar[int] = 130

    def compute(self, inputs: Sequence[Tensor], weights: Sequence[Tensor]) -> Sequence[Tensor]:  # noqa: ARG002
        """Take the root."""
        return [inputs[0].sqrt()]


@dataclass(frozen=True, slots=True)
class Tanh(LayerRecord):
    """The hyperbolic tangent."""

    TYPE: ClassVar[str] = "Tanh"
    CODE: ClassVar[int] = 39

    def compute(self, inputs: Sequence[Tensor], weights: Sequence[Tensor]) -> Sequence[Tensor]:  # noqa: ARG002
        """Squash to -1..1."""
        return [inputs[0].tanh()]
