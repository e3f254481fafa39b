"""From a row of the table to a network."""

from typing import Final

from torch import Tensor, nn

from topformer_cli.models.baselines.encoders import ENCODERS
from topformer_cli.models.baselines.head_plan import HeadPlan
from topformer_cli.models.baselines.heads import HEADS, auxiliary_head
from topformer_cli.models.baselines.table import Baseline
from topformer_cli.models.beside import BothLogits

AUXILIARY_MAP: Final = 2
"""Which map of an encoder the head beside looks at: the last of those at 1/16, undilated."""


class EncoderHead(nn.Module):
    """Normalised RGB images in, logits at the resolution of the head out.

    Where there is a head beside, they are both heads' in training mode.
    """

    def __init__(self, encoder: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = head
        self.auxiliary: nn.Module | None = None

    def forward(self, images: Tensor) -> Tensor | BothLogits:
        """Map images [B, 3, H, W], H and W multiples of 32, to logits [B, classes, h, w]."""
        maps = self.encoder(images)
        logits = self.head(maps)
        if self.auxiliary is None or not self.training:
            return logits
        return BothLogits(logits, self.auxiliary(maps[AUXILIARY_MAP]))


def build_baseline(row: Baseline, classes: int, drop_path: float, dropout: float) -> EncoderHead:
    """Build the network of a row, freshly initialised.

    Raises:
        UsageError: it needs a library that is not installed.
    """
    encoder = ENCODERS[row.encoder](row.stride, drop_path)
    plan = HeadPlan(encoder.channels, row.width, row.low, classes, dropout)
    return EncoderHead(encoder, HEADS[row.head](plan))


def add_auxiliary(network: nn.Module, row: Baseline, classes: int, dropout: float) -> None:
    """Give a network of a row, which has one, its head beside, freshly initialised."""
    assert isinstance(network, EncoderHead)
    assert row.auxiliary is not None
    channels, width = row.auxiliary
    network.auxiliary = auxiliary_head(channels, width, classes, dropout)
