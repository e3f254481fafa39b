"""Convolution of every kind: full, grouped, depthwise, dilated, with an activation inside."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch import Tensor

from topformer_cli.deploy.tnn.layers.record import LayerRecord, Payload

NO_ACTIVATION: Final = 0
RELU: Final = 1
RELU6: Final = 2
EXPLICIT_PADDING: Final = -1


@dataclass(frozen=True, slots=True)
class Convolution(LayerRecord):
    """A 2-D convolution; weights [out, in / group, kernel_h, kernel_w], then the bias [out].

    Padding is symmetric. Activation 256 (SiLU) exists in TNN and is wrong on its X86 device.
    """

    TYPE: ClassVar[str] = "Convolution"
    CODE: ClassVar[int] = 1
    PAYLOAD: ClassVar[Payload] = Payload.CONVOLUTION
    TNN_DEFAULTS: ClassVar[Mapping[str, float]] = {"bias": 0, "pad_type": 0}

    group: int
    in_per_group: int
    out_channels: int
    kernel_h: int
    kernel_w: int
    stride_h: int
    stride_w: int
    pad_h: int
    pad_w: int
    bias: int
    pad_type: int = EXPLICIT_PADDING
    dilation_h: int = 1
    dilation_w: int = 1
    activation: int = NO_ACTIVATION

    def weight_count(self, inputs: int) -> int:  # noqa: ARG002 - the same for every layer
        """Return 1, and 1 for the bias."""
        return 1 + self.bias

    def compute(self, inputs: Sequence[Tensor], weights: Sequence[Tensor]) -> Sequence[Tensor]:
        """Convolve [N, C, H, W]."""
        shape = (self.out_channels, self.in_per_group, self.kernel_h, self.kernel_w)
        if tuple(weights[0].shape) != shape:
            message = f"weights have shape {tuple(weights[0].shape)}, the text says {shape}"
            raise ValueError(message)
        if self.pad_type != EXPLICIT_PADDING or self.activation not in _ACTIVATIONS:
            message = (
                f"pad_type {self.pad_type} or activation {self.activation} is not computed here"
            )
            raise ValueError(message)
        output = F.conv2d(
            inputs[0],
            weights[0],
            weights[1] if self.bias else None,
            (self.stride_h, self.stride_w),
            (self.pad_h, self.pad_w),
            (self.dilation_h, self.dilation_w),
            self.group,
        )
        return [_ACTIVATIONS[self.activation](output)]


_ACTIVATIONS: Final = {NO_ACTIVATION: lambda x: x, RELU: F.relu, RELU6: F.relu6}
