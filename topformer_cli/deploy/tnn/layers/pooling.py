"""Maximum and average pooling."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch import Tensor

from topformer_cli.deploy.tnn.layers.record import LayerRecord

MAXIMUM: Final = 0
AVERAGE: Final = 1
WHOLE_MAP: Final = 0
"""A kernel of this size covers the input's height or width."""


@dataclass(frozen=True, slots=True)
class Pooling(LayerRecord):
    """Pooling with explicit kernel and strides.

    adaptive is never written: TNN computes it on its NAIVE device only, and silently gives wrong
    values on ARM and X86.
    """

    TYPE: ClassVar[str] = "Pooling"
    CODE: ClassVar[int] = 4
    TNN_DEFAULTS: ClassVar[Mapping[str, float]] = {"pad_type": 0}

    kind: int
    kernel_h: int
    kernel_w: int
    stride_h: int
    stride_w: int
    pad_h: int
    pad_w: int
    kernel_index_h: int = -1
    kernel_index_w: int = -1
    pad_type: int = -1
    ceil_mode: int = 0
    adaptive: int = 0
    out_h: int = 0
    out_w: int = 0

    def compute(self, inputs: Sequence[Tensor], weights: Sequence[Tensor]) -> Sequence[Tensor]:  # noqa: ARG002
        """Pool [N, C, H, W]."""
        if self.adaptive or self.ceil_mode or self.pad_type != -1 or self.kernel_index_h != -1:
            message = "adaptive, ceil mode, implicit padding and kernel index are not computed here"
            raise ValueError(message)
        height, width = inputs[0].shape[2:]
        kernel = (self.kernel_h or height, self.kernel_w or width)
        stride, padding = (self.stride_h, self.stride_w), (self.pad_h, self.pad_w)
        if self.kind == MAXIMUM:
            return [F.max_pool2d(inputs[0], kernel, stride, padding)]
        if self.kind != AVERAGE or padding != (0, 0):
            message = f"pooling kind {self.kind} with padding {padding} is not computed here"
            raise ValueError(message)
        return [F.avg_pool2d(inputs[0], kernel, stride)]
