"""Activations that stand alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch import Tensor

from topformer_cli.deploy.tnn.layers.record import LayerRecord


@dataclass(frozen=True, slots=True)
class ReLU(LayerRecord):
    """max(x, 0)."""

    TYPE: ClassVar[str] = "ReLU"
    CODE: ClassVar[int] = 5

    def compute(self, inputs: Sequence[Tensor], weights: Sequence[Tensor]) -> Sequence[Tensor]:  # noqa: ARG002
        """Clamp below."""
        return [F.relu(inputs[0])]


@dataclass(frozen=True, slots=True)
class ReLU6(LayerRecord):
    """min(max(x, 0), 6)."""

    TYPE: ClassVar[str] = "ReLU6"
    CODE: ClassVar[int] = 125

    def compute(self, inputs: Sequence[Tensor], weights: Sequence[Tensor]) -> Sequence[Tensor]:  # noqa: ARG002
        """Clamp to 0..6."""
        return [F.relu6(inputs[0])]


@dataclass(frozen=True, slots=True)
class Clip(LayerRecord):
    """min(max(x, minimum), maximum)."""

    TYPE: ClassVar[str] = "Clip"
    CODE: ClassVar[int] = 171

    minimum: float
    maximum: float

    def compute(self, inputs: Sequence[Tensor], weights: Sequence[Tensor]) -> Sequence[Tensor]:  # noqa: ARG002
        """Clamp."""
        return [inputs[0].clamp(self.minimum, self.maximum)]


@dataclass(frozen=True, slots=True)
class Sigmoid(LayerRecord):
    """1 / (1 + exp(-x)); TNN on ARM approximates it to 9e-4 unless precision is HIGH."""

    TYPE: ClassVar[str] = "Sigmoid"
    CODE: ClassVar[int] = 23

    def compute(self, inputs: Sequence[Tensor], weights: Sequence[Tensor]) -> Sequence[Tensor]:  # noqa: ARG002
        """Apply the logistic function."""
        return [inputs[0].sigmoid()]


@dataclass(frozen=True, slots=True)
class HardSigmoid(LayerRecord):
    """clamp(alpha x + beta, 0, 1)."""

    TYPE: ClassVar[str] = "HardSigmoid"
    CODE: ClassVar[int] = 172
    TNN_DEFAULTS: ClassVar[Mapping[str, float]] = {"alpha": 1.0, "beta": 0.0}

    alpha: float
    beta: float

    def compute(self, inputs: Sequence[Tensor], weights: Sequence[Tensor]) -> Sequence[Tensor]:  # noqa: ARG002
        """Scale, shift and clamp."""
        return [(inputs[0] * self.alpha + self.beta).clamp(0, 1)]


@dataclass(frozen=True, slots=True)
class HardSwish(LayerRecord):
    """first * clamp(alpha last + beta, 0, 1); with one input first and last are the same."""

    TYPE: ClassVar[str] = "HardSwish"
    CODE: ClassVar[int] = 173
    TNN_DEFAULTS: ClassVar[Mapping[str, float]] = {"alpha": 1.0, "beta": 0.0}

    alpha: float
    beta: float

    def compute(self, inputs: Sequence[Tensor], weights: Sequence[Tensor]) -> Sequence[Tensor]:  # noqa: ARG002
        """Gate the first input by the hard sigmoid of the last."""
        return [inputs[0] * (inputs[-1] * self.alpha + self.beta).clamp(0, 1)]
