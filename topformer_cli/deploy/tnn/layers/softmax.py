"""Softmax along one axis, under TNN's two names for it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from topformer_cli.deploy.tnn.layers.record import LayerRecord


@dataclass(frozen=True, slots=True)
class Softmax(LayerRecord):
    """exp(x) / sum of exp(x) along an axis; TNN on ARM has no axis 0."""

    TYPE: ClassVar[str] = "Softmax"
    CODE: ClassVar[int] = 21

    axis: int = 1

    def compute(self, inputs: Sequence[Tensor], weights: Sequence[Tensor]) -> Sequence[Tensor]:  # noqa: ARG002
        """Normalise."""
        return [inputs[0].softmax(dim=self.axis)]


@dataclass(frozen=True, slots=True)
class SoftmaxCaffe(Softmax):
    """The same layer under the name that TNN's own converter writes."""

    TYPE: ClassVar[str] = "SoftmaxCaffe"
