"""From a row of the table to a network."""

from torch import Tensor, nn

from topformer_cli.models.baselines.encoders import ENCODERS
from topformer_cli.models.baselines.heads import HEADS, HeadPlan
from topformer_cli.models.baselines.table import Baseline


class EncoderHead(nn.Module):
    """Normalised RGB images in, logits at the resolution of the head out."""

    def __init__(self, encoder: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = head

    def forward(self, images: Tensor) -> Tensor:
        """Map images [B, 3, H, W], H and W multiples of 32, to logits [B, classes, h, w]."""
        return self.head(self.encoder(images))


def build_baseline(row: Baseline, classes: int, drop_path: float, dropout: float) -> EncoderHead:
    """Build the network of a row, freshly initialised.

    Raises:
        UsageError: it needs a library that is not installed.
    """
    encoder = ENCODERS[row.encoder](row.stride, drop_path)
    plan = HeadPlan(encoder.channels, row.width, row.low, classes, dropout)
    return EncoderHead(encoder, HEADS[row.head](plan))
