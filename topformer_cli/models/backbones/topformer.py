"""TopFormer without a head."""

from torch import Tensor

from topformer_cli.models.design import OWN
from topformer_cli.models.detector import RetinaNet
from topformer_cli.models.spec import ModelSpec, Norm, Size
from topformer_cli.models.topformer import Backbone, initialise


class TopFormerRetinaNet(Backbone, RetinaNet):
    """RetinaNet on the injected tokens, M channels at 1/8, 1/16 and 1/32."""

    def __init__(
        self, size: Size, classes: int, drop_path: float = 0.0, norm: Norm = "plain"
    ) -> None:
        super().__init__(size, drop_path)
        initialise(self)
        self.finish([size.width] * OWN.scales, classes, norm)

    def levels(self, images: Tensor) -> list[Tensor]:
        """Map images [B, 3, H, W] to the injected tokens."""
        return self.features(images).injected


def detector(spec: ModelSpec, drop_path: float, norm: Norm) -> RetinaNet:
    """Build the RetinaNet of a card."""
    return TopFormerRetinaNet(spec.topformer, len(spec.classes), drop_path, norm)
