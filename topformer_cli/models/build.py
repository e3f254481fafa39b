"""From an identity card to a network."""

from collections.abc import Callable, Mapping
from typing import Final

from torch import nn

from topformer_cli.models.classifier import Classifier
from topformer_cli.models.head_plan import HeadPlan
from topformer_cli.models.heads import HEADS
from topformer_cli.models.spec import ModelSpec, Norm
from topformer_cli.models.topformer import TopFormer


def _segmentation(spec: ModelSpec, drop_path: float, dropout: float) -> nn.Module:
    if (row := spec.baseline) is not None:
        # Imported here: torchvision takes seconds.
        from topformer_cli.models.baselines.network import build_baseline

        return build_baseline(row, len(spec.classes), drop_path, dropout)
    size = spec.topformer
    design = spec.design
    plan = HeadPlan(
        width=design.width or size.width,
        scales=design.scales,
        classes=len(spec.classes),
        fuse=spec.fuse or size.fuse,
        dropout=dropout,
    )
    return TopFormer(size, HEADS[spec.head](plan), drop_path, design)


def _classification(spec: ModelSpec, drop_path: float, dropout: float) -> nn.Module:
    if spec.backbone == "topformer":
        return Classifier(spec.topformer, len(spec.classes), drop_path, dropout, spec.design)
    from topformer_cli.models.backbones import CLASSIFIERS

    return CLASSIFIERS[spec.backbone](len(spec.classes))


def _detection(spec: ModelSpec, drop_path: float, dropout: float) -> nn.Module:  # noqa: ARG001
    return build_detector(spec, drop_path)


def build_detector(spec: ModelSpec, drop_path: float = 0.0, norm: Norm = "plain") -> nn.Module:
    """Build a card's RetinaNet with a kind of batch normalisation, freshly initialised."""
    # Imported here: torchvision takes seconds.
    from topformer_cli.models.backbones import DETECTORS

    return DETECTORS[spec.backbone](spec, drop_path, norm)


BUILDERS: Final[Mapping[str, Callable[[ModelSpec, float, float], nn.Module]]] = {
    "segmentation": _segmentation,
    "classification": _classification,
    "detection": _detection,
}
"""Task -> the function that builds its network from card, drop-path rate and dropout rate."""


def build_model(spec: ModelSpec, *, drop_path: float = 0.0, dropout: float = 0.0) -> nn.Module:
    """Build the network that a card describes, freshly initialised and in training mode."""
    return BUILDERS[spec.task](spec, drop_path, dropout)


def build_trained(spec: ModelSpec, drop_path: float, dropout: float) -> nn.Module:
    """Build a segmentation network with the head that is trained beside its own (see `beside`)."""
    network = build_model(spec, drop_path=drop_path, dropout=dropout)
    if (row := spec.baseline) is not None:
        # Imported here: torchvision takes seconds.
        from topformer_cli.models.baselines.network import add_auxiliary

        add_auxiliary(network, row, len(spec.classes), dropout)
    return network
