"""Reshape and Permute."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from topformer_cli.deploy.tnn.layers.record import LayerRecord


@dataclass(frozen=True, slots=True)
class Reshape(LayerRecord):
    """Give the input other dimensions in NCHW order; 0 copies a dimension, -1 infers one.

    kind 0 is ONNX's meaning, the only one written and computed here.
    """

    TYPE: ClassVar[str] = "Reshape"
    CODE: ClassVar[int] = 9

    axis: int
    axes: int
    shape: tuple[int, ...]
    kind: int = 0

    def compute(self, inputs: Sequence[Tensor], weights: Sequence[Tensor]) -> Sequence[Tensor]:  # noqa: ARG002
        """Reshape."""
        if self.axis != 0 or self.axes != len(self.shape) or self.kind != 0:
            message = f"axis {self.axis}, {self.axes} axes, kind {self.kind} is not computed here"
            raise ValueError(message)
        given = inputs[0].shape
        return [inputs[0].reshape([size or given[i] for i, size in enumerate(self.shape)])]


@dataclass(frozen=True, slots=True)
class Permute(LayerRecord):
    """Reorder the dimensions: output dimension i is input dimension order[i]."""

    TYPE: ClassVar[str] = "Permute"
    CODE: ClassVar[int] = 32

    order: tuple[int, ...]

    def compute(self, inputs: Sequence[Tensor], weights: Sequence[Tensor]) -> Sequence[Tensor]:  # noqa: ARG002
        """Permute."""
        return [inputs[0].permute(self.order).contiguous()]
