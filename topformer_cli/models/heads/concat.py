"""The "Concat Head" of the paper's ablation (Figure 4, Table 6)."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch import Tensor, nn

from topformer_cli.models.blocks import ConvBN, upsample
from topformer_cli.models.head_plan import HeadPlan


class ConcatHead(nn.Module):
    """Reduce the injected tokens to M / 4 channels each, concatenate, and classify each position.

    The paper prints neither the width nor what follows: with these, its parameters come out
    within 0.2 %.
    """

    def __init__(self, plan: HeadPlan) -> None:
        super().__init__()
        reduced = plan.width // 4
        self.reduce = nn.ModuleList(ConvBN(plan.width, reduced) for _ in range(plan.scales))
        self.dropout = nn.Dropout2d(plan.dropout)
        self.classify = nn.Conv2d(plan.scales * reduced, plan.classes, 1)

    def forward(self, injected: Sequence[Tensor]) -> Tensor:
        """Map injected tokens [B, M, H_i, W_i], finest first, to logits [B, classes, H, W]."""
        found = [
            F.relu(reduce(tokens), inplace=True)
            for reduce, tokens in zip(self.reduce, injected, strict=True)
        ]
        found = [found[0], *(upsample(tokens, found[0]) for tokens in found[1:])]
        return self.classify(self.dropout(torch.cat(found, dim=1)))
