"""A product with a stored matrix, of inputs that are one row an image."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch import Tensor

from topformer_cli.deploy.tnn.layers.record import LayerRecord, Payload


@dataclass(frozen=True, slots=True)
class InnerProduct(LayerRecord):
    """x W^T + bias with the dimensions from axis on as one row; W [out, in], always with a bias."""

    TYPE: ClassVar[str] = "InnerProduct"
    CODE: ClassVar[int] = 19
    PAYLOAD: ClassVar[Payload] = Payload.NAMED_PAIR

    outputs: int
    bias: int = 1
    transpose: int = 0
    axis: int = 1

    def weight_count(self, inputs: int) -> int:  # noqa: ARG002 - the same for every layer
        """Return 2: matrix and bias."""
        return 2

    def compute(self, inputs: Sequence[Tensor], weights: Sequence[Tensor]) -> Sequence[Tensor]:
        """Multiply [N, in]."""
        if (self.bias, self.transpose, self.axis) != (1, 0, 1):
            message = f"bias {self.bias}, transpose {self.transpose}, axis {self.axis}"
            raise ValueError(message)
        return [F.linear(inputs[0].flatten(1), weights[0], weights[1])]
