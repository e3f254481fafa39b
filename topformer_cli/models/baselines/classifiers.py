"""The classifiers that the encoders of the baselines are parts of: ImageNet weights are of them.

Imports are inside functions: each library takes seconds.
"""

from collections.abc import Callable, Mapping
from typing import Final

from torch import Tensor, nn

from topformer_cli.models.baselines.encoders import library, resnet18_v1c, segformer


def _mobilenetv2(classes: int) -> nn.Module:
    from torchvision.models import mobilenet_v2

    return mobilenet_v2(num_classes=classes)


def _efficientnet(classes: int) -> nn.Module:
    from torchvision.models import efficientnet_b0

    return efficientnet_b0(num_classes=classes)


def _shufflenetv2(classes: int) -> nn.Module:
    from torchvision.models import shufflenet_v2_x1_5

    return shufflenet_v2_x1_5(num_classes=classes)


def _hrnet(classes: int) -> nn.Module:
    found: nn.Module = library("timm").create_model("hrnet_w18_small_v2", num_classes=classes)
    return found


class MixClassifier(nn.Module):
    """transformers' SegformerForImageClassification, which returns logits and nothing else."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        whole = segformer("SegformerForImageClassification", num_labels=classes)
        self.segformer, self.classifier = whole.segformer, whole.classifier

    def forward(self, images: Tensor) -> Tensor:
        """Map images [B, 3, H, W] to logits [B, classes]."""
        return self.classifier(self.segformer(images).last_hidden_state.mean((2, 3)))


CLASSIFIERS: Final[Mapping[str, Callable[[int], nn.Module]]] = {
    "mobilenetv2": _mobilenetv2,
    "efficientnet": _efficientnet,
    "shufflenetv2-x1.5": _shufflenetv2,
    "resnet18": resnet18_v1c,
    "hrnet-w18-small": _hrnet,
    "mit-b0": MixClassifier,
}
"""Encoder -> the function that builds its classifier of so many classes."""
