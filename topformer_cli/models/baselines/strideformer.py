"""StrideFormer, the encoder of PP-MobileSeg (Tang et al., 2023, arXiv 2304.05152).

From PaddlePaddle/PaddleSeg: paddleseg/models/backbones/strideformer.py, configs/pp_mobileseg. Its
aggregated attention module is a part of the encoder, as there; the head is SeaFormer's without
fusions. Its Valid Interpolate Module, which resizes only the channels of classes that win
somewhere, works on what a network gave and is no part of one: it is left out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch import Tensor, nn
from torchvision.ops import SqueezeExcitation

from topformer_cli.models.baselines.axial import SqueezeAxialAttention, axial_blocks
from topformer_cli.models.baselines.encoder import Encoder
from topformer_cli.models.blocks import ConvBN, Depthwise, upsample
from topformer_cli.models.topformer import initialise

STEM: Final = 16
OUTPUTS: Final = 256
KEY_DIMS: Final = (16, 24)
RATIOS: Final = (2, 4)
"""Channels after the stem and of the only map given; channels of a key and ratio of the
feed-forward network by stage with attention."""


@dataclass(frozen=True, slots=True)
class Row:
    """One block of MobileNetV3; hard: by hard swish, not ReLU."""

    kernel: int
    hidden: int
    channels: int
    squeezed: bool
    hard: bool
    stride: int


@dataclass(frozen=True, slots=True)
class StrideFormerSize:
    """One size: the blocks of each stage, heads and depth of attention in the last two.

    at: the stride of the map that is given.
    """

    stages: tuple[tuple[Row, ...], ...]
    heads: int
    depth: int
    at: int


def _pair(kernel: int, first: int, second: int, channels: int) -> tuple[Row, Row]:
    """Return a stage of two blocks with squeeze and excitation, by the hidden channels of each."""
    return (
        Row(kernel, first, channels, squeezed=True, hard=True, stride=2),
        Row(kernel, second, channels, squeezed=True, hard=True, stride=1),
    )


def _first(hidden: int, channels: int) -> tuple[Row, ...]:
    """Return the first stage by what its last block has."""
    return (
        Row(3, 16, 16, squeezed=True, hard=False, stride=1),
        Row(3, 64, 32, squeezed=False, hard=False, stride=2),
        Row(3, hidden, channels, squeezed=False, hard=False, stride=1),
    )


SIZES: Final[Mapping[str, StrideFormerSize]] = {
    "tiny": StrideFormerSize(
        (_first(48, 24), _pair(5, 96, 96, 32), _pair(5, 160, 160, 64), _pair(3, 384, 384, 128)),
        heads=4, depth=2, at=16,
    ),
    "base": StrideFormerSize(
        (_first(96, 32), _pair(5, 128, 240, 64), _pair(5, 384, 384, 128), _pair(5, 768, 768, 192)),
        heads=8, depth=3, at=8,
    ),
}  # fmt: skip


class StrideFormer(Encoder):
    """Four stages of MobileNetV3's blocks, two with strided attention; their maps become one."""

    def __init__(self, size: StrideFormerSize, drop_path: float) -> None:
        super().__init__()
        self.stem = ConvBN(3, STEM, kernel=3, stride=2)
        widths = [stage[-1].channels for stage in size.stages]
        self.stages = nn.ModuleList(
            _stage(before, rows) for before, rows in zip((STEM, *widths), size.stages, strict=False)
        )
        rates = torch.linspace(0, drop_path, size.depth, device="cpu").tolist()
        self.attentions = nn.ModuleList(
            axial_blocks(
                partial(StridedAttention, channels, size.heads, key_dim), channels, ratio, rates
            )
            for channels, key_dim, ratio in zip(widths[2:], KEY_DIMS, RATIOS, strict=True)
        )
        self.aggregation = AGGREGATIONS[size.at](widths[1:])
        self.channels = (OUTPUTS,)
        initialise(self)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Map images to one map, at 1/16 (tiny) or 1/8 (base)."""
        first, second, third, fourth = self.stages
        x = second(first(F.hardswish(self.stem(images))))
        middle = self.attentions[0](third(x))
        coarse = self.attentions[1](fourth(middle))
        return [self.aggregation(x, middle, coarse)]


def _stage(channels: int, rows: Sequence[Row]) -> nn.Sequential:
    inputs = (channels, *(row.channels for row in rows))
    return nn.Sequential(
        *(MobileBlock(before, row) for before, row in zip(inputs, rows, strict=False))
    )


class MobileBlock(nn.Module):
    """MobileNetV3's block as PaddleSeg has it: it always expands, and squeezes to a quarter."""

    def __init__(self, channels: int, row: Row) -> None:
        super().__init__()
        self.expand = ConvBN(channels, row.hidden)
        self.depthwise = ConvBN(row.hidden, row.hidden, row.kernel, row.stride, groups=row.hidden)
        self.squeeze = (
            SqueezeExcitation(row.hidden, row.hidden // 4, scale_activation=SteepSigmoid)
            if row.squeezed
            else nn.Identity()
        )
        self.project = ConvBN(row.hidden, row.channels)
        self.activation = nn.Hardswish() if row.hard else nn.ReLU()
        self.residual = row.stride == 1 and channels == row.channels

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, C, H, W] to [B, C', H / stride, W / stride]."""
        y = self.activation(self.depthwise(self.activation(self.expand(x))))
        y = self.project(self.squeeze(y))
        return x + y if self.residual else y


class SteepSigmoid(nn.Module):
    """The hard sigmoid of slope 1/5, where torch's has 1/6."""

    def forward(self, x: Tensor) -> Tensor:
        """Map to 0 .. 1, shape kept."""
        return F.hardsigmoid(1.2 * x)


class StridedAttention(nn.Module):
    """Attention along the sides at half the resolution, resized back."""

    def __init__(self, channels: int, heads: int, key_dim: int) -> None:
        super().__init__()
        self.halve = nn.Sequential(
            Depthwise(channels, channels, 3, stride=2, padding=1, groups=channels),
            nn.BatchNorm2d(channels),
        )
        self.attention = SqueezeAxialAttention(channels, heads, key_dim)

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, C, H, W] to the same shape."""
        return upsample(self.attention(self.halve(x)), x)


class Aggregation(nn.Module):
    """The aggregated attention module at 1/16: the gates of all maps times the sum of the finer.

    The coarsest, resized, is added as it is.
    """

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        self.embed = nn.ModuleList(ConvBN(one, OUTPUTS) for one in channels)
        self.gate = nn.ModuleList(ConvBN(one, OUTPUTS) for one in channels)

    def forward(self, fine: Tensor, middle: Tensor, coarse: Tensor) -> Tensor:
        """Map [B, C, H, W] at 1/8, 1/16 and 1/32 to [B, 256, H / 2, W / 2].

        Halved bilinearly, even sides are the means of 2x2.
        """
        fine = F.avg_pool2d(fine, 2)
        maps = (fine, middle, coarse)
        gates = [gate(x).sigmoid() for gate, x in zip(self.gate, maps, strict=True)]
        detail = self.embed[0](fine) + self.embed[1](middle)
        semantics = upsample(self.embed[2](coarse), middle)
        return gates[0] * gates[1] * upsample(gates[2], middle) * detail + semantics


class FineAggregation(nn.Module):
    """The same at 1/8: the finest map is not gated by itself, nor the middle one added."""

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        fine, middle, coarse = channels
        self.embed = nn.ModuleList(ConvBN(one, OUTPUTS) for one in (fine, coarse))
        self.gate = nn.ModuleList(ConvBN(one, OUTPUTS) for one in (middle, coarse))

    def forward(self, fine: Tensor, middle: Tensor, coarse: Tensor) -> Tensor:
        """Map [B, C, H, W] at 1/8, 1/16 and 1/32 to [B, 256, H, W]."""
        near = self.gate[0](upsample(middle, fine)).sigmoid()
        far = upsample(self.gate[1](coarse).sigmoid(), fine)
        return near * far * self.embed[0](fine) + upsample(self.embed[1](coarse), fine)


AGGREGATIONS: Final = {16: Aggregation, 8: FineAggregation}
"""The stride of what an aggregation gives -> the aggregation."""
