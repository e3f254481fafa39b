"""SeaFormer (Wan et al., ICLR 2023): its encoder and its light head.

From fudan-zvg/SeaFormer: seaformer-seg/mmseg/models, backbones/seaformer.py and
decode_heads/light_head.py; sizes: local_configs/seaformer. MobileNetV2's blocks are TopFormer's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch import Tensor, nn

from topformer_cli.models.baselines.axial import SqueezeAxialAttention, axial_blocks
from topformer_cli.models.baselines.encoder import Encoder
from topformer_cli.models.baselines.head_plan import HeadPlan
from topformer_cli.models.blocks import ConvBN, InvertedBottleneck, upsample
from topformer_cli.models.spec import Bottleneck
from topformer_cli.models.topformer import initialise

FIRST_TAP: Final = 1
"""The stage whose map, at 1/8, goes to the head without attention."""

STEP: Final = 32
"""Channels that each fusion of the light head adds, in all sizes."""


@dataclass(frozen=True, slots=True)
class SeaFormerSize:
    """One size: kernel, expansion, channels and stride of the blocks of each stage.

    The last stages, as many as there are depths, end in attention: depths in blocks, key_dims in
    channels of a key of one of the heads, ratios of the feed-forward networks.
    """

    stem: int
    stages: tuple[tuple[tuple[int, int, int, int], ...], ...]
    heads: int
    depths: tuple[int, ...]
    key_dims: tuple[int, ...]
    ratios: tuple[int, ...]


SIZES: Final[Mapping[str, SeaFormerSize]] = {
    "tiny": SeaFormerSize(
        16,
        (
            ((3, 1, 16, 1), (3, 4, 16, 2), (3, 3, 16, 1)),
            ((5, 3, 32, 2), (5, 3, 32, 1)),
            ((3, 3, 64, 2), (3, 3, 64, 1)),
            ((5, 3, 128, 2),),
            ((3, 6, 160, 2),),
        ),
        heads=4, depths=(2, 2), key_dims=(16, 24), ratios=(2, 4),
    ),
    "small": SeaFormerSize(
        16,
        (
            ((3, 1, 16, 1), (3, 4, 24, 2), (3, 3, 24, 1)),
            ((5, 3, 48, 2), (5, 3, 48, 1)),
            ((3, 3, 96, 2), (3, 3, 96, 1)),
            ((5, 4, 160, 2),),
            ((3, 6, 192, 2),),
        ),
        heads=6, depths=(3, 3), key_dims=(16, 24), ratios=(2, 4),
    ),
    "base": SeaFormerSize(
        16,
        (
            ((3, 1, 16, 1), (3, 4, 32, 2), (3, 3, 32, 1)),
            ((5, 3, 64, 2), (5, 3, 64, 1)),
            ((3, 3, 128, 2), (3, 3, 128, 1)),
            ((5, 4, 192, 2),),
            ((3, 6, 256, 2),),
        ),
        heads=8, depths=(4, 4), key_dims=(16, 24), ratios=(2, 4),
    ),
    "large": SeaFormerSize(
        32,
        (
            ((3, 3, 32, 1), (3, 4, 64, 2), (3, 4, 64, 1)),
            ((5, 4, 128, 2), (5, 4, 128, 1)),
            ((3, 4, 192, 2), (3, 4, 192, 1)),
            ((5, 4, 256, 2),),
            ((3, 6, 320, 2),),
        ),
        heads=8, depths=(3, 3, 3), key_dims=(16, 20, 24), ratios=(2, 4, 6),
    ),
}  # fmt: skip


class SeaFormer(Encoder):
    """Stages of MobileNetV2's blocks, the last of which end in attention along the sides."""

    def __init__(self, size: SeaFormerSize, drop_path: float) -> None:
        super().__init__()
        self.stem = ConvBN(3, size.stem, kernel=3, stride=2)
        widths = [stage[-1][2] for stage in size.stages]
        self.stages = nn.ModuleList(
            _stage(before, rows)
            for before, rows in zip((size.stem, *widths), size.stages, strict=False)
        )
        self.plain = len(widths) - len(size.depths)
        self.attentions = nn.ModuleList(
            axial_blocks(
                partial(SqueezeAxialAttention, channels, size.heads, key_dim), channels, ratio,
                torch.linspace(0, drop_path, depth, device="cpu").tolist(),
            )
            for channels, depth, key_dim, ratio in zip(
                widths[self.plain :], size.depths, size.key_dims, size.ratios, strict=True
            )
        )  # fmt: skip
        self.channels = (widths[FIRST_TAP], *widths[self.plain :])
        initialise(self)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Map images to a map at 1/8 and those after attention, at 1/32 and 1/64 (large: 1/16)."""
        maps = []
        x = F.relu(self.stem(images), inplace=True)
        for index, stage in enumerate(self.stages):
            x = stage(x)
            if index == FIRST_TAP:
                maps.append(x)
            if index >= self.plain:
                x = self.attentions[index - self.plain](x)
                maps.append(x)
        return maps


def _stage(channels: int, rows: Sequence[tuple[int, int, int, int]]) -> nn.Sequential:
    inputs = (channels, *(row[2] for row in rows))
    return nn.Sequential(
        *(
            InvertedBottleneck(before, Bottleneck(*row))
            for before, row in zip(inputs, rows, strict=False)
        )
    )


class Fusion(nn.Module):
    """A fine map times the gate that a coarse one gives."""

    def __init__(self, fine: int, coarse: int, width: int) -> None:
        super().__init__()
        self.local = ConvBN(fine, width)
        self.gate = ConvBN(coarse, width)

    def forward(self, fine: Tensor, coarse: Tensor) -> Tensor:
        """Map [B, C, H, W] and [B, C', H', W'], whose gate is resized, to [B, width, H, W]."""
        return self.local(fine) * upsample(F.hardsigmoid(self.gate(coarse)), fine)


class LightHead(nn.Module):
    """The finest map, gated by each coarser one in turn, through one depthwise 1x1 convolution."""

    def __init__(self, plan: HeadPlan) -> None:
        super().__init__()
        finest, *coarser = plan.channels
        steps = range(len(coarser) - 1, -1, -1)
        widths = [plan.width - STEP * step for step in steps]
        self.fusions = nn.ModuleList(
            Fusion(before, channels, width)
            for before, channels, width in zip((finest, *widths), coarser, widths, strict=False)
        )
        self.fuse = ConvBN(plan.width, plan.width, groups=plan.width)
        self.classify = plan.last

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Map the maps to logits at the finest one's resolution."""
        found, *coarser = maps
        for fusion, one in zip(self.fusions, coarser, strict=True):
            found = fusion(found, one)
        return self.classify(F.relu(self.fuse(found), inplace=True))
