"""Matrix product of two inputs, or of an input and a constant matrix."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

import torch
from torch import Tensor

from topformer_cli.deploy.tnn.layers.record import LayerRecord

NO_CONSTANT: Final = -1


@dataclass(frozen=True, slots=True)
class MatMul(LayerRecord):
    """Product over the last two dimensions.

    constant: -1 with two inputs, 0 when the left matrix is stored, 1 when the right one is; a
    stored matrix has two dimensions. TNN broadcasts a batch of one only.
    """

    TYPE: ClassVar[str] = "MatMul"
    CODE: ClassVar[int] = 105

    constant: int = NO_CONSTANT

    def weight_count(self, inputs: int) -> int:
        """Return 1 when one matrix is stored."""
        return 1 if inputs == 1 else 0

    def compute(self, inputs: Sequence[Tensor], weights: Sequence[Tensor]) -> Sequence[Tensor]:
        """Multiply."""
        operands = [*inputs, *weights]
        if len(operands) != 2 or (weights and self.constant not in (0, 1)):
            message = f"{len(inputs)} inputs and the constant at place {self.constant}"
            raise ValueError(message)
        left, right = operands[::-1] if weights and self.constant == 0 else operands
        return [torch.matmul(left, right)]
