"""TopFormer: token pyramid, semantics extractor, semantics injection, head (paper Figure 2)."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch import Tensor, nn

from topformer_cli.models.blocks import (
    Attention,
    ConvBN,
    InvertedBottleneck,
    SemanticsInjection,
)
from topformer_cli.models.design import OWN, Design
from topformer_cli.models.extractors import EXTRACTORS
from topformer_cli.models.heads import Head
from topformer_cli.models.spec import POOLED_STRIDE, STEM_CHANNELS, Size


class TokenPyramid(nn.Module):
    """Stacked MobileNetV2 blocks whose outputs at four scales are the tokens (section 3.1)."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.taps = size.taps
        self.stem = ConvBN(3, STEM_CHANNELS, kernel=3, stride=2)
        inputs = (STEM_CHANNELS, *(row.channels for row in size.bottlenecks))
        self.bottlenecks = nn.ModuleList(
            InvertedBottleneck(channels, row)
            for channels, row in zip(inputs, size.bottlenecks, strict=False)
        )

    def forward(self, images: Tensor) -> list[Tensor]:
        """Map images [B, 3, H, W] to tokens at 1/4, 1/8, 1/16 and 1/32."""
        tokens = []
        x = F.relu(self.stem(images), inplace=True)
        for index, bottleneck in enumerate(self.bottlenecks):
            x = bottleneck(x)
            if index in self.taps:
                tokens.append(x)
        return tokens


class TokenPooling(nn.Module):
    """Average-pool the tokens of the coarsest scales to one resolution and concatenate them."""

    def __init__(self, design: Design = OWN, scales: int = 4) -> None:
        super().__init__()
        self.stride = design.pooled_stride
        self.windows = design.pooling == "windows"
        self.scales = scales

    def forward(self, tokens: Sequence[Tensor]) -> Tensor:
        """Map tokens to [B, sum of channels, H / stride, W / stride].

        Sides that do not divide are rounded up, or down where windows leave a rest out.
        """
        last = tokens[-1]
        if self.windows:
            tokens = [whole_windows(x, self.stride // 32, last) for x in tokens]
        size = pooled_size(tokens[-1].shape[2], tokens[-1].shape[3], self.stride)
        return torch.cat([F.adaptive_avg_pool2d(x, size) for x in tokens[-self.scales :]], dim=1)


class LastTokenPooling(nn.Module):
    """Pool the last token alone and expand it to the channels of all (Table 2)."""

    def __init__(self, channels: Sequence[int], design: Design) -> None:
        super().__init__()
        self.pool = TokenPooling(design, scales=1)
        self.expand = ConvBN(channels[-1], sum(channels))

    def forward(self, tokens: Sequence[Tensor]) -> Tensor:
        """Map tokens to [B, sum of channels, ceil(H / stride), ceil(W / stride)]."""
        return self.expand(self.pool(tokens))


def whole_windows(x: Tensor, step: int, last: Tensor) -> Tensor:
    """Cut a token to whole windows, of `step` positions of the last token; one at least."""
    rows, columns = (max(side // step, 1) * step for side in last.shape[2:])
    return x[:, :, : rows * x.shape[2] // last.shape[2], : columns * x.shape[3] // last.shape[3]]


def pooled_size(height_32: int, width_32: int, stride: int = POOLED_STRIDE) -> tuple[int, int]:
    """Return the size of the pooled tokens for a map at 1/32; odd sides round up."""
    step = stride // 32
    return (height_32 - 1) // step + 1, (width_32 - 1) // step + 1


class Features(NamedTuple):
    """What the network gives before its head; injected has M channels at 1/8, 1/16 and 1/32.

    pooled and semantics are None where nothing extracts semantics.
    """

    tokens: list[Tensor]
    pooled: Tensor | None
    semantics: Tensor | None
    injected: list[Tensor]


class Stages(NamedTuple):
    """Every intermediate output of one forward pass."""

    tokens: list[Tensor]
    pooled: Tensor | None
    semantics: Tensor | None
    injected: list[Tensor]
    logits: Tensor


class Trunk(nn.Module):
    """Token pyramid and semantics extractor, with which the networks of all tasks begin."""

    def __init__(self, size: Size, drop_path: float = 0.0, design: Design = OWN) -> None:
        super().__init__()
        self.channels = list(size.token_channels)
        self.token_pyramid = TokenPyramid(size)
        self.pool: nn.Module = (
            TokenPooling(design)
            if design.tokens == "pyramid"
            else LastTokenPooling(self.channels, design)
        )
        self.semantics_extractor = EXTRACTORS[design.extractor](size, drop_path)


class Backbone(Trunk):
    """Trunk and semantics injection: everything but a head."""

    def __init__(self, size: Size, drop_path: float = 0.0, design: Design = OWN) -> None:
        super().__init__(size, drop_path, design)
        self.injects = design.injects
        self.semantics_injection = nn.ModuleList(
            SemanticsInjection(channels, design.width or size.width, self.injects)
            for channels in self.channels[-design.scales :]
        )

    def features(self, images: Tensor) -> Features:
        """Run the backbone on images [B, 3, H, W] and keep what each module gave."""
        tokens = self.token_pyramid(images)
        pooled = self.pool(tokens) if self.injects else None
        semantics = None if pooled is None else self.semantics_extractor(pooled)
        per_scale: Sequence[Tensor | None] = (
            [None] * len(tokens) if semantics is None else semantics.split(self.channels, dim=1)
        )
        scales = len(self.semantics_injection)
        injected = [
            inject(local, scale_semantics)
            for inject, local, scale_semantics in zip(
                self.semantics_injection, tokens[-scales:], per_scale[-scales:], strict=True
            )
        ]
        return Features(tokens, pooled, semantics, injected)


class TopFormer(Backbone):
    """The segmentation network: normalised RGB images in, logits at the finest scale out."""

    def __init__(
        self, size: Size, head: Head, drop_path: float = 0.0, design: Design = OWN
    ) -> None:
        super().__init__(size, drop_path, design)
        self.head = head
        initialise(self)
        nn.init.normal_(head.classify.weight, 0, 0.01)

    def forward(self, images: Tensor) -> Tensor:
        """Map images [B, 3, H, W], H and W multiples of 32, to logits [B, classes, h, w].

        h and w are H/8 and W/8 in the paper's own design.
        """
        return self.stages(images).logits

    def stages(self, images: Tensor) -> Stages:
        """Run the network and keep what each module gave."""
        features = self.features(images)
        return Stages(*features, self.head(features.injected))


def initialise(network: nn.Module) -> None:
    """Set the weights as the authors' training starts without ImageNet weights.

    Convolutions: normal with fan-out variance, groups counted. The batch normalisation that ends
    an attention branch starts at zero: under the paper's SyncBN the authors' initialiser leaves
    it so.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            kernel_height, kernel_width = module.kernel_size
            fan_out = kernel_height * kernel_width * module.out_channels // module.groups
            nn.init.normal_(module.weight, 0, math.sqrt(2 / fan_out))
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        if isinstance(module, Attention):
            nn.init.zeros_(module.project.bn.weight)
