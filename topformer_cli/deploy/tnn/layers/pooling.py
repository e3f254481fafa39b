"""Maximum and average pooling."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

import torch
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
        """Pool [N, C, H, W]; an average counts the values inside the input only."""
        if self.adaptive or self.pad_type != -1 or self.kernel_index_h != -1:
            message = "adaptive, implicit padding and kernel index are not computed here"
            raise ValueError(message)
        height, width = inputs[0].shape[2:]
        kernel = (self.kernel_h or height, self.kernel_w or width)
        borders = self._borders((height, width), kernel)
        if self.kind == MAXIMUM:
            padded = F.pad(inputs[0], borders, value=-torch.inf)
            return [F.max_pool2d(padded, kernel, (self.stride_h, self.stride_w))]
        if self.kind != AVERAGE:
            message = f"pooling kind {self.kind} is not computed here"
            raise ValueError(message)
        values, ones = (
            F.pad(inputs[0], borders),
            F.pad(inputs[0].new_ones(1, 1, height, width), borders),
        )
        means, shares = (
            F.avg_pool2d(each, kernel, (self.stride_h, self.stride_w)) for each in (values, ones)
        )
        return [means / shares]

    def _borders(self, size: tuple[int, int], kernel: tuple[int, int]) -> list[int]:
        """Return left, right, top, bottom: behind the input the border is what the windows need."""
        strides, pads = (self.stride_h, self.stride_w), (self.pad_h, self.pad_w)
        borders: list[int] = []
        for place in (1, 0):
            args = size[place], kernel[place], strides[place], pads[place]
            windows = output_size(*args, self.ceil_mode)
            end = (windows - 1) * strides[place] + kernel[place] - size[place] - pads[place]
            borders += [pads[place], max(end, 0)]
        return borders


def output_size(size: int, kernel: int, stride: int, pad: int, ceil_mode: int) -> int:
    """Return how many windows TNN makes along a dimension.

    Unlike torch and ONNX it keeps a last window that begins behind the input.
    """
    room = size + 2 * pad - kernel
    return (-(-room // stride) if ceil_mode else room // stride) + 1
