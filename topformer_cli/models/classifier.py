"""The classification network by which the backbone is pretrained on ImageNet.

Trunk, mean over the positions, batch normalisation, one linear layer. The paper does not describe
it; form and the pooling to 1/32 are those that the published weights work with (facts of
BR-IDL/PaddleViT, image_classification/TopFormer, which converts and evaluates them).
"""

from typing import Final

from torch import Tensor, nn

from topformer_cli.models.design import OWN, Design, PooledStride
from topformer_cli.models.spec import Size
from topformer_cli.models.topformer import Trunk, initialise

POOLED_STRIDE: Final[PooledStride] = 32
LINEAR_STD: Final = 0.02


class ClassificationHead(nn.Module):
    """Batch normalisation, dropout and a linear layer."""

    def __init__(self, channels: int, classes: int, dropout: float) -> None:
        super().__init__()
        self.bn = nn.BatchNorm1d(channels)
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(channels, classes)

    def forward(self, pooled: Tensor) -> Tensor:
        """Map [B, C] to logits [B, classes]."""
        return self.linear(self.dropout(self.bn(pooled)))


class Classifier(Trunk):
    """Normalised RGB images in, logits of the whole image out."""

    def __init__(
        self,
        size: Size,
        classes: int,
        drop_path: float = 0.0,
        dropout: float = 0.0,
        design: Design = OWN,
    ) -> None:
        super().__init__(size, drop_path, design.pooled_to(POOLED_STRIDE))
        self.head = ClassificationHead(sum(self.channels), classes, dropout)
        initialise(self)
        nn.init.trunc_normal_(self.head.linear.weight, std=LINEAR_STD)
        nn.init.zeros_(self.head.linear.bias)

    def forward(self, images: Tensor) -> Tensor:
        """Map images [B, 3, H, W], H and W multiples of 32, to logits [B, classes]."""
        pooled = self.pool(self.token_pyramid(images))
        return self.head(self.semantics_extractor(pooled).mean((2, 3)))
