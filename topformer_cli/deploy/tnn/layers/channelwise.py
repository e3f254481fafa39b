"""Normalisation over channels that is computed, and PReLU: layers with a number a channel."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch import Tensor

from topformer_cli.deploy.tnn.layers.record import LayerRecord, Payload

INSTANCE_EPSILON: Final = float(np.float32(1e-5))
"""What TNN adds to the variance on every device, whatever the text says."""


@dataclass(frozen=True, slots=True)
class BatchNormCxx(LayerRecord):
    """x * scale + bias, one of each a channel: a batch normalisation with its statistics."""

    TYPE: ClassVar[str] = "BatchNormCxx"
    CODE: ClassVar[int] = 2
    PAYLOAD: ClassVar[Payload] = Payload.PAIR

    def weight_count(self, inputs: int) -> int:  # noqa: ARG002 - the same for every layer
        """Return 2: scale and bias."""
        return 2

    def compute(self, inputs: Sequence[Tensor], weights: Sequence[Tensor]) -> Sequence[Tensor]:
        """Scale and shift the second dimension."""
        shape = [1, -1] + [1] * (inputs[0].ndim - 2)
        return [inputs[0] * weights[0].reshape(shape) + weights[1].reshape(shape)]


@dataclass(frozen=True, slots=True)
class InstBatchNormCxx(LayerRecord):
    """Normalise each channel of each image over all that follows, then scale and shift it."""

    TYPE: ClassVar[str] = "InstBatchNormCxx"
    CODE: ClassVar[int] = 43
    PAYLOAD: ClassVar[Payload] = Payload.PAIR

    channels: int = 0
    epsilon: float = INSTANCE_EPSILON

    def weight_count(self, inputs: int) -> int:  # noqa: ARG002 - the same for every layer
        """Return 2: scale and bias."""
        return 2

    def compute(self, inputs: Sequence[Tensor], weights: Sequence[Tensor]) -> Sequence[Tensor]:
        """Normalise [N, C, ...] over its last dimensions."""
        if abs(self.epsilon / INSTANCE_EPSILON - 1) > 1e-6:
            message = f"epsilon {self.epsilon}; TNN computes with {INSTANCE_EPSILON}"
            raise ValueError(message)
        shape = [1, -1] + [1] * (inputs[0].ndim - 2)
        scale, bias = (weight.reshape(shape) for weight in weights)
        places = tuple(range(2, inputs[0].ndim))
        centred = inputs[0] - inputs[0].mean(places, keepdim=True)
        variance = (centred * centred).mean(places, keepdim=True)
        return [centred / (variance + INSTANCE_EPSILON).sqrt() * scale + bias]


@dataclass(frozen=True, slots=True)
class PReLU(LayerRecord):
    """x above 0, else slope x; shared is 1 when one slope serves all channels."""

    TYPE: ClassVar[str] = "PReLU"
    CODE: ClassVar[int] = 35
    PAYLOAD: ClassVar[Payload] = Payload.NAMED

    shared: int
    filler: int = 0

    def weight_count(self, inputs: int) -> int:  # noqa: ARG002 - the same for every layer
        """Return 1: the slopes."""
        return 1

    def compute(self, inputs: Sequence[Tensor], weights: Sequence[Tensor]) -> Sequence[Tensor]:
        """Bend below zero, by the slope of the channel."""
        if self.shared != int(weights[0].numel() == 1):
            message = f"shared {self.shared} with {weights[0].numel()} slopes"
            raise ValueError(message)
        return [F.prelu(inputs[0], weights[0].reshape(-1))]
