"""MobileNetV3-Large, torchvision's, without its last 1x1 convolution.

So it has the 2.8 million parameters of the paper's Table 11.
"""

from typing import Final

from torch import Tensor, nn
from torchvision.models import mobilenet_v3_large

from topformer_cli.models.detector import RetinaNet
from topformer_cli.models.spec import ModelSpec, Norm

TAPS: Final = (6, 12, 15)
"""Indices of the blocks that end at 1/8, 1/16 and 1/32."""
CHANNELS: Final = (40, 112, 160)


class MobileNetRetinaNet(RetinaNet):
    """RetinaNet on the outputs of three blocks; `features` is called so in torchvision, too."""

    def __init__(self, classes: int, norm: Norm = "plain") -> None:
        super().__init__()
        self.features = mobilenet_v3_large().features[: TAPS[-1] + 1]
        self.finish(CHANNELS, classes, norm)

    def levels(self, images: Tensor) -> list[Tensor]:
        """Map images [B, 3, H, W] to the outputs of the three blocks."""
        found = []
        x = images
        for index, block in enumerate(self.features):
            x = block(x)
            if index in TAPS:
                found.append(x)
        return found


def detector(spec: ModelSpec, drop_path: float, norm: Norm) -> RetinaNet:  # noqa: ARG001
    """Build the RetinaNet of a card."""
    return MobileNetRetinaNet(len(spec.classes), norm)


def classifier(classes: int) -> nn.Module:
    """Build the network whose ImageNet weights the backbone begins with."""
    return mobilenet_v3_large(num_classes=classes)
