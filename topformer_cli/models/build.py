"""From an identity card to a network."""

from collections.abc import Callable, Mapping
from typing import Final

from torch import nn

from topformer_cli.models.classifier import Classifier
from topformer_cli.models.heads import HEADS
from topformer_cli.models.spec import SIZES, ModelSpec
from topformer_cli.models.topformer import TopFormer


def _segmentation(spec: ModelSpec, drop_path: float, dropout: float) -> nn.Module:
    size = SIZES[spec.size]
    head = HEADS[spec.head](size.width, len(spec.classes), spec.fuse or size.fuse, dropout)
    return TopFormer(size, head, drop_path)


def _classification(spec: ModelSpec, drop_path: float, dropout: float) -> nn.Module:
    return Classifier(SIZES[spec.size], len(spec.classes), drop_path, dropout)


def _detection(spec: ModelSpec, drop_path: float, dropout: float) -> nn.Module:  # noqa: ARG001
    # Imported here: torchvision takes seconds.
    from topformer_cli.models.detector import RetinaNet

    return RetinaNet(SIZES[spec.size], len(spec.classes), drop_path)


BUILDERS: Final[Mapping[str, Callable[[ModelSpec, float, float], nn.Module]]] = {
    "segmentation": _segmentation,
    "classification": _classification,
    "detection": _detection,
}
"""Task -> the function that builds its network from card, drop-path rate and dropout rate."""


def build_model(spec: ModelSpec, *, drop_path: float = 0.0, dropout: float = 0.0) -> nn.Module:
    """Build the network that a card describes, freshly initialised and in training mode."""
    return BUILDERS[spec.task](spec, drop_path, dropout)
