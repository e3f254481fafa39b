"""The heads of the baselines, by mmsegmentation's settings where the table does not say others.

A head maps an encoder's maps, finest first, to logits [B, classes, h, w] at the resolution it
works at. The last module is called `classify` in all.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final

import torch
from torch import Tensor, nn
from torchvision.ops.misc import Conv2dNormActivation as ConvBNReLU

from topformer_cli.models.baselines.head_plan import HeadPlan, classifier
from topformer_cli.models.baselines.seaformer import LightHead
from topformer_cli.models.blocks import upsample

PSP_BINS: Final = (1, 2, 3, 6)
DILATIONS: Final = (6, 12, 18)
"""Of the dilated branches at an output stride of 16; mmsegmentation doubles them at 8."""


class LrAspp(nn.Module):
    """MobileNetV3's head (Howard et al., ICCV 2019), as torchvision has it."""

    def __init__(self, plan: HeadPlan) -> None:
        super().__init__()
        _, fine, _, coarse = plan.channels
        self.cbr = ConvBNReLU(coarse, plan.width, 1)
        self.scale = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(coarse, plan.width, 1, bias=False), nn.Sigmoid()
        )
        self.low_classifier = nn.Conv2d(fine, plan.classes, 1)
        self.high_classifier = nn.Conv2d(plan.width, plan.classes, 1)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Map the maps to logits at 1/8."""
        _, fine, _, coarse = maps
        gated = upsample(self.cbr(coarse) * self.scale(coarse), fine)
        return self.low_classifier(fine) + self.high_classifier(gated)


class RAspp(nn.Module):
    """MobileNetV2's head (Sandler et al., CVPR 2018): a 1x1 convolution beside the mean."""

    def __init__(self, plan: HeadPlan) -> None:
        super().__init__()
        self.point = ConvBNReLU(plan.channels[-1], plan.width, 1)
        self.mean = _of_image(plan.channels[-1], plan.width)
        self.fuse = ConvBNReLU(2 * plan.width, plan.width, 1)
        self.classify = plan.last

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Map the coarsest map to logits."""
        x = maps[-1]
        both = torch.cat([self.point(x), upsample(self.mean(x), x)], dim=1)
        return self.classify(self.fuse(both))


def _of_image(channels: int, width: int) -> nn.Sequential:
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), ConvBNReLU(channels, width, 1))


class DeepLabV3Plus(nn.Module):
    """DeepLabV3+ with depthwise separable convolutions (Chen et al., ECCV 2018)."""

    def __init__(self, plan: HeadPlan) -> None:
        super().__init__()
        inputs, width = plan.channels[-1], plan.width
        self.mean = _of_image(inputs, width)
        self.point = ConvBNReLU(inputs, width, 1)
        self.dilated = nn.ModuleList(_separable(inputs, width, one) for one in DILATIONS)
        self.fuse = ConvBNReLU((2 + len(DILATIONS)) * width, width, 3)
        self.low = ConvBNReLU(plan.channels[0], plan.low, 1)
        self.refine = nn.Sequential(_separable(width + plan.low, width), _separable(width, width))
        self.classify = plan.last

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Map the finest and the coarsest map to logits at 1/4."""
        x = maps[-1]
        branches = [upsample(self.mean(x), x), self.point(x), *(one(x) for one in self.dilated)]
        found = self.fuse(torch.cat(branches, dim=1))
        low = self.low(maps[0])
        return self.classify(self.refine(torch.cat([upsample(found, low), low], dim=1)))


def _separable(inputs: int, outputs: int, dilation: int = 1) -> nn.Sequential:
    return nn.Sequential(
        ConvBNReLU(inputs, inputs, 3, dilation=dilation, groups=inputs),
        ConvBNReLU(inputs, outputs, 1),
    )


class Psp(nn.Module):
    """PSPNet's head (Zhao et al., CVPR 2017): means over bins of several sizes."""

    def __init__(self, plan: HeadPlan) -> None:
        super().__init__()
        inputs, width = plan.channels[-1], plan.width
        self.branches = nn.ModuleList(
            nn.Sequential(nn.AdaptiveAvgPool2d(bins), ConvBNReLU(inputs, width, 1))
            for bins in PSP_BINS
        )
        self.fuse = ConvBNReLU(inputs + len(PSP_BINS) * width, width, 3)
        self.classify = plan.last

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Map the coarsest map to logits."""
        x = maps[-1]
        found = [x, *(upsample(branch(x), x) for branch in self.branches)]
        return self.classify(self.fuse(torch.cat(found, dim=1)))


class Fcn(nn.Module):
    """Two 3x3 convolutions and one more that sees their input, too (Long et al., CVPR 2015)."""

    def __init__(self, plan: HeadPlan) -> None:
        super().__init__()
        inputs, width = plan.channels[-1], plan.width
        self.convolve = nn.Sequential(ConvBNReLU(inputs, width, 3), ConvBNReLU(width, width, 3))
        self.fuse = ConvBNReLU(inputs + width, width, 3)
        self.classify = plan.last

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Map the coarsest map to logits."""
        x = maps[-1]
        return self.classify(self.fuse(torch.cat([x, self.convolve(x)], dim=1)))


class AllMaps(nn.Module):
    """All maps at the finest one's resolution through one 1x1 convolution.

    Of SegFormer (Xie et al., NeurIPS 2021), where each map is brought to the same channels first,
    and of HRNet (Sun et al., 2019), where it is not.
    """

    def __init__(self, plan: HeadPlan, *, project: bool) -> None:
        super().__init__()
        width = plan.width
        self.project = nn.ModuleList(
            nn.Conv2d(inputs, width, 1) if project else nn.Identity() for inputs in plan.channels
        )
        together = len(plan.channels) * width if project else sum(plan.channels)
        self.fuse = ConvBNReLU(together, width, 1)
        self.classify = plan.last

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Map the maps to logits at the finest one's resolution."""
        found = [project(x) for project, x in zip(self.project, maps, strict=True)]
        found = [found[0], *(upsample(x, found[0]) for x in found[1:])]
        return self.classify(self.fuse(torch.cat(found, dim=1)))


def auxiliary_head(channels: int, width: int, classes: int, dropout: float = 0.0) -> nn.Module:
    """Build the head that mmsegmentation trains beside the main one, which inference leaves out."""
    return nn.Sequential(
        ConvBNReLU(channels, width, 3), *classifier(width, classes, dropout).children()
    )


HEADS: Final[Mapping[str, Callable[[HeadPlan], nn.Module]]] = {
    "lraspp": LrAspp,
    "raspp": RAspp,
    "deeplabv3plus": DeepLabV3Plus,
    "liteaspp": DeepLabV3Plus,
    "pspnet": Psp,
    "fcn8s": Fcn,
    "fcn": partial(AllMaps, project=False),
    "segformer": partial(AllMaps, project=True),
    "light": LightHead,
}
"""Head -> what builds it from its plan."""
