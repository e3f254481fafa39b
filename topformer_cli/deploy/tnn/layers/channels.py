"""Concat and SplitV: joining and dividing along one axis."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from topformer_cli.deploy.tnn.layers.record import LayerRecord


@dataclass(frozen=True, slots=True)
class Concat(LayerRecord):
    """Join all inputs along an axis."""

    TYPE: ClassVar[str] = "Concat"
    CODE: ClassVar[int] = 8

    axis: int = 1

    def compute(self, inputs: Sequence[Tensor], weights: Sequence[Tensor]) -> Sequence[Tensor]:  # noqa: ARG002
        """Concatenate."""
        return [torch.cat(list(inputs), dim=self.axis)]


@dataclass(frozen=True, slots=True)
class SplitV(LayerRecord):
    """Divide the input along an axis into parts of given sizes."""

    TYPE: ClassVar[str] = "SplitV"
    CODE: ClassVar[int] = 153

    axis: int
    sizes: tuple[int, ...]

    def compute(self, inputs: Sequence[Tensor], weights: Sequence[Tensor]) -> Sequence[Tensor]:  # noqa: ARG002
        """Split."""
        return list(torch.split(inputs[0], list(self.sizes), dim=self.axis))
