"""torchvision's feature pyramid and RetinaNet head, with their convolutions of 3x3 by `winograd`.

Their weights have the same names. Imports torchvision: see `models.detector`.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch import Tensor, nn
from torchvision.models.detection.retinanet import RetinaNetHead
from torchvision.ops import FeaturePyramidNetwork

from topformer_cli.models.winograd import convolve


class FeaturePyramid(FeaturePyramidNetwork):
    """torchvision's feature pyramid."""

    def get_result_from_layer_blocks(self, x: Tensor, idx: int) -> Tensor:
        """Smooth the map of a level."""
        (found,) = convolve([x], self.layer_blocks[idx][0])
        return found


class DenseHead(RetinaNetHead):
    """torchvision's head, which takes all levels through a layer at once."""

    def forward(self, x: Sequence[Tensor]) -> dict[str, Tensor]:
        """Map levels [B, C, h, w] to `cls_logits` [B, A, classes], `bbox_regression` [B, A, 4]."""
        classes, boxes = self.classification_head, self.regression_head
        return {
            "cls_logits": _branch(x, classes.conv, classes.cls_logits, classes.num_classes),
            "bbox_regression": _branch(x, boxes.conv, boxes.bbox_reg, 4),
        }


def _branch(maps: Sequence[Tensor], blocks: nn.Sequential, last: nn.Conv2d, values: int) -> Tensor:
    """Map levels to [B, A, values], anchors in the order of rows, columns and kinds."""
    layers = [layer for layer in blocks.modules() if isinstance(layer, nn.Conv2d)]
    for layer in layers:
        maps = [F.relu(one, inplace=True) for one in convolve(maps, layer)]
    outputs = [one.permute(0, 2, 3, 1) for one in convolve(maps, last)]
    return torch.cat([one.reshape(one.shape[0], -1, values) for one in outputs], dim=1)
