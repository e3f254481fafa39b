"""The paper's segmentation head: upsample, sum, two 1x1 convolutions (section 3.3)."""

from collections.abc import Sequence

import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch import Tensor, nn

from topformer_cli.models.blocks import ConvBN, upsample
from topformer_cli.models.head_plan import HeadPlan


class SimpleHead(nn.Module):
    """Sum the injected tokens at the finest scale and classify each position.

    The fuse convolution is depthwise in the released tiny model and full everywhere else; the
    paper's multiply-adds for tiny need the full one.
    """

    def __init__(self, plan: HeadPlan) -> None:
        super().__init__()
        groups = plan.width if plan.fuse == "depthwise" else 1
        self.fuse = ConvBN(plan.width, plan.width, groups=groups)
        self.dropout = nn.Dropout2d(plan.dropout)
        self.classify = nn.Conv2d(plan.width, plan.classes, 1)

    def forward(self, injected: Sequence[Tensor]) -> Tensor:
        """Map injected tokens [B, M, H_i, W_i], finest first, to logits [B, classes, H, W]."""
        total = injected[0]
        for tokens in injected[1:]:
            total = total + upsample(tokens, total)
        return self.classify(self.dropout(F.relu(self.fuse(total), inplace=True)))
