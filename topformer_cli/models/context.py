"""The context modules that the paper puts in the semantics extractor's place (Table 4).

Both map the pooled tokens to as many channels. The paper does not print their widths: these are
the ones at which its parameters and multiply-adds come out.
"""

from typing import Final

import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch import Tensor, nn

from topformer_cli.models.blocks import ConvBN, upsample

PSP_BINS: Final = (1, 2, 3, 6)
PSP_CHANNELS: Final = 108
"""Pyramid pooling of PSPNet (Zhao et al., CVPR 2017), as mmsegmentation has it."""

ASPP_DILATIONS: Final = (6, 12, 18)
ASPP_CHANNELS: Final = 125
"""Atrous spatial pyramid pooling of DeepLabV3 (Chen et al., 2017) at output stride 16."""


class PyramidPooling(nn.Module):
    """Averages over bins of several sizes, each through a 1x1 convolution, beside the input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bins = nn.ModuleList(nn.AdaptiveAvgPool2d(size) for size in PSP_BINS)
        self.branches = nn.ModuleList(ConvBN(channels, PSP_CHANNELS) for _ in PSP_BINS)
        self.fuse = ConvBN(channels + len(PSP_BINS) * PSP_CHANNELS, channels, kernel=3)

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, C, H, W] to the same shape."""
        found = [x]
        for pool, branch in zip(self.bins, self.branches, strict=True):
            found.append(upsample(F.relu(branch(pool(x)), inplace=True), x))
        return F.relu(self.fuse(torch.cat(found, dim=1)), inplace=True)


class AtrousPooling(nn.Module):
    """A 1x1 convolution, dilated 3x3 ones and the mean over the image, side by side."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.point = ConvBN(channels, ASPP_CHANNELS)
        self.dilated = nn.ModuleList(
            _dilated(ConvBN(channels, ASPP_CHANNELS, kernel=3), dilation)
            for dilation in ASPP_DILATIONS
        )
        self.mean = nn.AdaptiveAvgPool2d(1)
        self.of_image = ConvBN(channels, ASPP_CHANNELS)
        branches = len(ASPP_DILATIONS) + 2
        self.fuse = ConvBN(branches * ASPP_CHANNELS, channels, kernel=3)

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, C, H, W] to the same shape."""
        branches = (self.point, *self.dilated)
        found = [F.relu(branch(x), inplace=True) for branch in branches]
        of_image = F.relu(self.of_image(self.mean(x)), inplace=True)
        found.append(upsample(of_image, x))
        return F.relu(self.fuse(torch.cat(found, dim=1)), inplace=True)


def _dilated(block: ConvBN, dilation: int) -> ConvBN:
    """Spread a 3x3 convolution, in place, over as wide a field; the map keeps its size."""
    block.conv.dilation = block.conv.padding = (dilation, dilation)
    return block
