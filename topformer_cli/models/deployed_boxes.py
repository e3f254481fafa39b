"""What an exported RetinaNet ends in: the maps of its head, or the boxes most likely of each level.

On a phone the maps are turned into boxes by the app, as `boxes_of_maps` does it here;
an ONNX file can do that itself (`Candidates`), up to non-maximum suppression, which is written
into the graph afterwards.
"""

from collections.abc import Sequence
from typing import Any, Final

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from topformer_cli.models.boxes import (
    ANCHORS,
    Found,
    RawBoxes,
    Selection,
    anchor_boxes,
    decode_boxes,
)
from topformer_cli.models.detector import RetinaNet, best_of_levels, select_boxes

MORE: Final = 4
"""How many times as many proposals are looked at as are compared."""


class HeadMaps(nn.Module):
    """The maps of the head, as its last convolutions leave them.

    Five maps of logits, P3 .. P7, each [B, ANCHORS * classes, h, w], and then five of offsets, each
    [B, ANCHORS * 4, h, w]; all classes, or all four offsets, of an anchor follow one another.
    """

    def __init__(self, network: RetinaNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Map images [B, 3, H, W] to the ten maps."""
        pyramid = self.network.pyramid(images)
        of_classes = self.network.head.classification_head
        of_offsets = self.network.head.regression_head
        return (
            *(of_classes.cls_logits(of_classes.conv(level)) for level in pyramid),
            *(of_offsets.bbox_reg(of_offsets.conv(level)) for level in pyramid),
        )


class Candidates(nn.Module):
    """The most likely boxes of each level for one input size, ready for suppression by class.

    most: how many pairs of anchor and class a level gives.
    """

    def __init__(self, maps: nn.Module, input_hw: tuple[int, int], most: int) -> None:
        super().__init__()
        self.maps, self.input_hw, self.most = maps, input_hw, most
        for number, anchors in enumerate(anchor_boxes(*input_hw, torch.device("cpu"))):
            self.register_buffer(f"anchors_{number}", anchors)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Map an image [1, 3, H, W] to boxes [1, N, 4] and scores [1, classes, N].

        A box, left, top, right, bottom in pixels of the input and within it, has a score for the
        one class that it stands for, 0 for all others, and 0 for this one too where it is empty.
        """
        maps = self.maps(images)
        levels = len(maps) // 2
        parts = [self._best_of_level(n, maps[n], maps[levels + n]) for n in range(levels)]
        boxes, scores, labels = (torch.cat(part) for part in zip(*parts, strict=True))
        limit = boxes.new_tensor([self.input_hw[1], self.input_hw[0]]).repeat(2)
        boxes = boxes.clamp(min=0).minimum(limit)
        solid = (boxes[:, 2:] > boxes[:, :2]).all(dim=1)
        classes = torch.arange(maps[0].shape[1] // ANCHORS, device=boxes.device)[:, None]
        by_class = torch.where((labels == classes) & solid, scores, 0.0)
        return boxes[None], by_class[None]

    def _best_of_level(
        self, number: int, logits: Tensor, offsets: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        raw = raw_boxes([logits, offsets])
        classes = raw.logits.shape[2]
        pairs = raw.logits.flatten()
        best, order = pairs.topk(min(self.most, len(pairs)))
        chosen = order // classes
        anchors: Tensor = getattr(self, f"anchors_{number}")
        boxes = decode_boxes(raw.offsets[0][chosen], anchors[chosen])
        return boxes, best.sigmoid(), order % classes


def boxes_of_maps(
    maps: Sequence[NDArray[Any]], input_hw: tuple[int, int], selection: Selection
) -> Found:
    """Return the boxes that a host makes of the maps of one picture, computing in float64."""
    raw = raw_boxes([torch.from_numpy(one).double() for one in maps])
    one = RawBoxes(raw.logits[0], raw.offsets[0])
    return select_boxes(one, input_hw, input_hw, selection)


def proposals_of_maps(
    maps: Sequence[NDArray[Any]], input_hw: tuple[int, int], selection: Selection
) -> tuple[Found, Tensor]:
    """Return what `boxes_of_maps` chooses from, and of each box the least score of its level.

    There are more than are compared, so that those are among them which rounding alone leaves out;
    the least score [n] is of those that are compared, 0 where a level is not full.
    """
    raw = raw_boxes([torch.from_numpy(one).double() for one in maps])
    one, most = RawBoxes(raw.logits[0], raw.offsets[0]), selection.per_level
    levels = best_of_levels(one, input_hw, selection.score, MORE * most)
    boxes, scores, labels = (torch.cat(part) for part in zip(*levels, strict=True))
    limit = boxes.new_tensor([input_hw[1], input_hw[0]]).repeat(2)
    least = []
    for found in levels:
        last = float(found.scores[most - 1]) if len(found.scores) >= most else 0.0
        least.append(torch.full_like(found.scores, last))
    return Found(boxes.clamp(min=0).minimum(limit), scores, labels), torch.cat(least)


def raw_boxes(maps: Sequence[Tensor]) -> RawBoxes:
    """Put the maps of `HeadMaps` into the order of anchors: [B, A, classes] and [B, A, 4]."""
    levels = len(maps) // 2
    logits, offsets = (
        torch.cat([_by_anchor(one) for one in part], dim=1)
        for part in (maps[:levels], maps[levels:])
    )
    return RawBoxes(logits, offsets)


def _by_anchor(one: Tensor) -> Tensor:
    """Turn a map [B, ANCHORS * values, h, w] into [B, h * w * ANCHORS, values]."""
    batch, channels, height, width = one.shape
    values = channels // ANCHORS
    cells = one.reshape(batch, ANCHORS, values, height, width).permute(0, 3, 4, 1, 2)
    return cells.reshape(batch, height * width * ANCHORS, values)
