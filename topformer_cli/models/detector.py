"""RetinaNet (paper section 4.2, Table 11).

    images -> backbone, such as TopFormer without a head -> maps at 1/8, 1/16, 1/32
           -> feature pyramid, 256 channels, P3 .. P7 -> class logits and box offsets by anchor

Feature pyramid and head are torchvision's, put together and initialised as in mmdetection's
configs/_base_/models/retinanet_r50_fpn.py, by which the paper trained. This module imports
torchvision, which takes seconds: import it where a detector is really built.
"""

from abc import abstractmethod
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final, Self

import torch
from torch import Tensor, nn
from torchvision.ops import batched_nms
from torchvision.ops.feature_pyramid_network import ExtraFPNBlock

from topformer_cli.models.boxes import (
    ANCHORS,
    Found,
    RawBoxes,
    Selection,
    anchor_boxes,
    decode_boxes,
)
from topformer_cli.models.pyramid import DenseHead, FeaturePyramid
from topformer_cli.models.spec import Norm

FPN_WIDTH: Final = 256


class CoarseLevels(ExtraFPNBlock):
    """P6 and P7, by strided convolutions from the backbone's coarsest map.

    mmdetection's add_extra_convs='on_input', without an activation between the two. torchvision's
    own block has one, and starts from P5 where that map is as wide as the pyramid, as in base.
    """

    def __init__(self, in_channels: int, width: int) -> None:
        super().__init__()
        self.p6 = nn.Conv2d(in_channels, width, 3, stride=2, padding=1)
        self.p7 = nn.Conv2d(width, width, 3, stride=2, padding=1)

    def forward(
        self, results: list[Tensor], x: list[Tensor], names: list[str]
    ) -> tuple[list[Tensor], list[str]]:
        """Add both levels; `results` are the pyramid's maps, `x` its inputs."""
        p6 = self.p6(x[-1])
        return [*results, p6, self.p7(p6)], [*names, "p6", "p7"]


class RetinaNet(nn.Module):
    """The detection network: normalised RGB images in, logits and offsets of every anchor out.

    What all backbones share. Each is a subclass in `models.backbones` that makes its own parts,
    under the names that they have in other networks, so that weights go from one to another; then
    it calls `finish`.
    """

    neck: FeaturePyramid
    head: DenseHead
    frozen: bool

    def finish(self, channels: Sequence[int], classes: int, norm: Norm) -> None:
        """Add feature pyramid and head to a backbone; channels are those of its `levels`."""
        self.frozen = norm == "frozen"
        self.neck = FeaturePyramid(list(channels), FPN_WIDTH, CoarseLevels(channels[-1], FPN_WIDTH))
        for name, parameter in self.neck.named_parameters():
            if name.endswith("weight"):
                nn.init.xavier_uniform_(parameter)
            else:
                nn.init.zeros_(parameter)
        self.head = DenseHead(FPN_WIDTH, ANCHORS, classes)
        if norm == "sync":
            nn.SyncBatchNorm.convert_sync_batchnorm(self)  # type: ignore[no-untyped-call]

    @abstractmethod
    def levels(self, images: Tensor) -> list[Tensor]:
        """Map images [B, 3, H, W] to the backbone's maps at 1/8, 1/16 and 1/32."""

    def forward(self, images: Tensor) -> RawBoxes:
        """Map images [B, 3, H, W] to what is said of every anchor of `anchor_boxes(H, W)`."""
        found = self.head(self.pyramid(images))
        return RawBoxes(found["cls_logits"], found["bbox_regression"])

    def pyramid(self, images: Tensor) -> list[Tensor]:
        """Map images [B, 3, H, W] to P3 .. P7, each [B, FPN_WIDTH, h, w]."""
        named = OrderedDict((str(index), one) for index, one in enumerate(self.levels(images)))
        return list(self.neck(named).values())

    def train(self, mode: bool = True) -> Self:
        """Enter training or evaluation; frozen batch normalisation stays in evaluation."""
        super().train(mode)
        if self.frozen:
            for module in self.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()
        return self


def select_boxes(
    raw: RawBoxes, size: tuple[int, int], image_size: tuple[int, int], selection: Selection
) -> Found:
    """Choose the boxes of one image: the best of each level, then non-maximum suppression.

    Shapes: raw without the batch axis, [A, classes] and [A, 4], in fp32; size is the input's
    (height, width), image_size the part of it that is not padding, to which boxes are clipped.
    """
    parts = best_of_levels(raw, size, selection.score, selection.per_level)
    boxes, scores, labels = (torch.cat(part) for part in zip(*parts, strict=True))
    limit = boxes.new_tensor([image_size[1], image_size[0]]).repeat(2)
    boxes = boxes.clamp(min=0).minimum(limit)
    solid = (boxes[:, 2:] > boxes[:, :2]).all(dim=1)
    boxes, scores, labels = boxes[solid], scores[solid], labels[solid]
    kept = batched_nms(boxes, scores, labels, selection.iou)[: selection.most]
    return Found(boxes[kept], scores[kept], labels[kept])


def best_of_levels(raw: RawBoxes, size: tuple[int, int], score: float, most: int) -> list[Found]:
    """Take the best boxes above a score of each level of one image, before any suppression."""
    levels = anchor_boxes(*size, raw.logits.device)
    lengths = [len(anchors) for anchors in levels]
    return [
        _best_of_level(RawBoxes(logits, offsets), anchors, score, most)
        for logits, offsets, anchors in zip(
            torch.split(raw.logits, lengths), torch.split(raw.offsets, lengths), levels, strict=True
        )
    ]


def _best_of_level(raw: RawBoxes, anchors: Tensor, score: float, most: int) -> Found:
    """Take the highest scores among all pairs of anchor and class."""
    classes = raw.logits.shape[1]
    logits = raw.logits.flatten()
    least = torch.logit(torch.tensor(score, dtype=torch.float64)).item()
    candidates = (logits > least).nonzero()[:, 0]
    best, order = logits[candidates].topk(min(most, len(candidates)))
    pairs = candidates[order]
    numbers = pairs // classes
    boxes = decode_boxes(raw.offsets[numbers], anchors[numbers])
    return Found(boxes, best.sigmoid(), pairs % classes)
