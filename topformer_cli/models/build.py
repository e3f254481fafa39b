"""From an identity card to a network."""

from topformer_cli.models.heads import HEADS
from topformer_cli.models.spec import SIZES, ModelSpec
from topformer_cli.models.topformer import TopFormer


def build_model(spec: ModelSpec, *, drop_path: float = 0.0, dropout: float = 0.0) -> TopFormer:
    """Build the network that a card describes, freshly initialised and in training mode."""
    size = SIZES[spec.size]
    head = HEADS[spec.head](size.width, len(spec.classes), spec.fuse, dropout)
    return TopFormer(size, head, drop_path)
