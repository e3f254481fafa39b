"""Convolution of every kind, with an activation inside, and the transposed convolution."""

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
class _Kernel(LayerRecord):
    """The parameters that both have; padding is symmetric."""

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

    @property
    def weight_shape(self) -> tuple[int, ...]:
        """The shape of the weights as the file holds them."""
        return (self.out_channels, self.in_per_group, self.kernel_h, self.kernel_w)

    def check(self, weight: Tensor) -> None:
        """Refuse what is not computed here.

        Raises:
            ValueError: weights of another shape, implicit padding, an unknown activation.
        """
        if tuple(weight.shape) != self.weight_shape:
            message = f"weights have shape {tuple(weight.shape)}, the text says {self.weight_shape}"
            raise ValueError(message)
        if self.pad_type != EXPLICIT_PADDING or self.activation not in _ACTIVATIONS:
            message = (
                f"pad_type {self.pad_type} or activation {self.activation} is not computed here"
            )
            raise ValueError(message)


@dataclass(frozen=True, slots=True)
class Convolution(_Kernel):
    """A 2-D convolution; weights [out, in / group, kernel_h, kernel_w], then the bias [out].

    Activation 256 (SiLU) exists in TNN and is wrong on its X86 device.
    """

    TYPE: ClassVar[str] = "Convolution"
    CODE: ClassVar[int] = 1

    def compute(self, inputs: Sequence[Tensor], weights: Sequence[Tensor]) -> Sequence[Tensor]:
        """Convolve [N, C, H, W]."""
        self.check(weights[0])
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


@dataclass(frozen=True, slots=True)
class Deconvolution(_Kernel):
    """A transposed 2-D convolution; weights [in, out / group, kernel_h, kernel_w], then the bias.

    pad_type 3 (output padding) rounds its own way: what it is for is written as a slice here.
    """

    TYPE: ClassVar[str] = "Deconvolution"
    CODE: ClassVar[int] = 22

    @property
    def weight_shape(self) -> tuple[int, ...]:
        """The shape of the weights as the file holds them, inputs first."""
        inputs, per_group = self.in_per_group * self.group, self.out_channels // self.group
        return (inputs, per_group, self.kernel_h, self.kernel_w)

    def compute(self, inputs: Sequence[Tensor], weights: Sequence[Tensor]) -> Sequence[Tensor]:
        """Convolve [N, C, H, W] backwards."""
        self.check(weights[0])
        output = F.conv_transpose2d(
            inputs[0],
            weights[0],
            weights[1] if self.bias else None,
            (self.stride_h, self.stride_w),
            (self.pad_h, self.pad_w),
            0,
            self.group,
            (self.dilation_h, self.dilation_w),
        )
        return [_ACTIVATIONS[self.activation](output)]


_ACTIVATIONS: Final = {NO_ACTIVATION: lambda x: x, RELU: F.relu, RELU6: F.relu6}
