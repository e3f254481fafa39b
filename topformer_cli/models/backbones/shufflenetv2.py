"""ShuffleNetV2 1.0x, torchvision's, without its last 1x1 convolution.

So it has the 0.8 million parameters and 2.6 G multiply-adds of the paper's Table 11.
"""

from typing import Final

from torch import Tensor, nn
from torchvision.models import shufflenet_v2_x1_0

from topformer_cli.models.detector import RetinaNet
from topformer_cli.models.spec import ModelSpec, Norm

CHANNELS: Final = (116, 232, 464)


class ShuffleNetRetinaNet(RetinaNet):
    """RetinaNet on the outputs of stages 2, 3 and 4; the parts are called as in torchvision."""

    def __init__(self, classes: int, norm: Norm = "plain") -> None:
        super().__init__()
        whole = shufflenet_v2_x1_0()
        self.conv1, self.maxpool = whole.conv1, whole.maxpool
        self.stage2, self.stage3, self.stage4 = whole.stage2, whole.stage3, whole.stage4
        self.finish(CHANNELS, classes, norm)

    def levels(self, images: Tensor) -> list[Tensor]:
        """Map images [B, 3, H, W] to the outputs of the stages."""
        second = self.stage2(self.maxpool(self.conv1(images)))
        third = self.stage3(second)
        return [second, third, self.stage4(third)]


def detector(spec: ModelSpec, drop_path: float, norm: Norm) -> RetinaNet:  # noqa: ARG001
    """Build the RetinaNet of a card."""
    return ShuffleNetRetinaNet(len(spec.classes), norm)


def classifier(classes: int) -> nn.Module:
    """Build the network whose ImageNet weights the backbone begins with."""
    return shufflenet_v2_x1_0(num_classes=classes)
