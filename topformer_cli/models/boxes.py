"""Boxes of a RetinaNet: anchors, their offsets, and which anchor stands for which object.

Boxes are (left, top, right, bottom) in pixels of the network's input. The rules are those of
mmdetection's configs/_base_/models/retinanet_r50_fpn.py (AnchorGenerator, DeltaXYWHBBoxCoder,
MaxIoUAssigner). torchvision's differ in the strides of levels that do not divide, in rounded
anchors, and in whose an anchor becomes that is the best of one object and closer to another.
"""

import math
from collections.abc import Iterator
from typing import Final, NamedTuple, Protocol

import torch
from torch import Tensor

STRIDES: Final = (8, 16, 32, 64, 128)
OCTAVE_SCALE: Final = 4
SCALES: Final = tuple(2 ** (step / 3) for step in range(3))
RATIOS: Final = (0.5, 1.0, 2.0)
ANCHORS: Final = len(SCALES) * len(RATIOS)
"""Anchors a cell: an area of (OCTAVE_SCALE * stride * scale)^2, height / width of each ratio."""

POSITIVE_IOU: Final = 0.5
NEGATIVE_IOU: Final = 0.4
NEGATIVE: Final = -1
UNDECIDED: Final = -2
"""What an anchor is matched with that stands for no object, or for neither one nor none."""

MOST_LOG_RATIO: Final = abs(math.log(16 / 1000))
"""Bound of the logarithm of width and height against the anchor's."""

_CHUNK_ELEMENTS: Final = 1 << 23
"""Overlaps computed at a time: 32 MB in fp32."""


class RawBoxes(NamedTuple):
    """What the network says of every anchor: logits [B, A, classes] and offsets [B, A, 4].

    Anchors are ordered as in `anchor_boxes`, levels one after another.
    """

    logits: Tensor
    offsets: Tensor


class Selection(Protocol):
    """How boxes are chosen from raw ones; a recipe's `evaluation` section has it too."""

    @property
    def score(self) -> float:
        """Least score of a box."""

    @property
    def per_level(self) -> int:
        """Most boxes of a level that are compared."""

    @property
    def iou(self) -> float:
        """Overlap by which the weaker of two boxes of a class is dropped."""

    @property
    def most(self) -> int:
        """Most boxes of an image."""


class Found(NamedTuple):
    """Boxes of one image by falling score: boxes [n, 4], scores [n], labels [n] (train ids)."""

    boxes: Tensor
    scores: Tensor
    labels: Tensor


def level_sizes(height: int, width: int) -> list[tuple[int, int]]:
    """Return the (height, width) of each level's map for an input of a size; odd sides round up."""
    return [(-(-height // stride), -(-width // stride)) for stride in STRIDES]


def anchor_boxes(height: int, width: int, device: torch.device) -> list[Tensor]:
    """Return each level's anchors [rows * columns * ANCHORS, 4] for an input of a size."""
    levels = []
    for stride, (rows, columns) in zip(STRIDES, level_sizes(height, width), strict=True):
        tops = torch.arange(rows, device=device) * stride
        lefts = torch.arange(columns, device=device) * stride
        top, left = torch.meshgrid(tops, lefts, indexing="ij")
        shifts = torch.stack((left, top, left, top), dim=-1)[:, :, None]
        levels.append((shifts + _cell_anchors(stride, device)).reshape(-1, 4))
    return levels


def _cell_anchors(stride: int, device: torch.device) -> Tensor:
    scales = torch.tensor(SCALES, device=device) * (OCTAVE_SCALE * stride)
    ratios = torch.tensor(RATIOS, device=device).sqrt()[:, None]
    widths, heights = (scales / ratios).flatten(), (scales * ratios).flatten()
    return torch.stack((-widths, -heights, widths, heights), dim=1) / 2


def real_anchors(
    size: tuple[int, int], image_size: tuple[int, int], device: torch.device
) -> Tensor:
    """Say which anchors [A] of an input of a size have their cell on the image.

    image_size is the image's own (height, width), padding to the batch's size left out.
    """
    flags = []
    for (rows, columns), (own_rows, own_columns) in zip(
        level_sizes(*size), level_sizes(*image_size), strict=True
    ):
        flag = torch.zeros(rows, columns, ANCHORS, dtype=torch.bool, device=device)
        flag[:own_rows, :own_columns] = True
        flags.append(flag.flatten())
    return torch.cat(flags)


def encode_boxes(boxes: Tensor, anchors: Tensor) -> Tensor:
    """Return the offsets [n, 4] that make anchors [n, 4] into boxes [n, 4]."""
    centre, size = _centre_size(boxes)
    anchor_centre, anchor_size = _centre_size(anchors)
    return torch.cat(((centre - anchor_centre) / anchor_size, (size / anchor_size).log()), dim=1)


def decode_boxes(offsets: Tensor, anchors: Tensor) -> Tensor:
    """Return the boxes [n, 4] that offsets [n, 4] make of anchors [n, 4]."""
    anchor_centre, anchor_size = _centre_size(anchors)
    centre = anchor_centre + offsets[:, :2] * anchor_size
    half = anchor_size * offsets[:, 2:].clamp(-MOST_LOG_RATIO, MOST_LOG_RATIO).exp() / 2
    return torch.cat((centre - half, centre + half), dim=1)


def _centre_size(boxes: Tensor) -> tuple[Tensor, Tensor]:
    return (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]


def match_anchors(anchors: Tensor, boxes: Tensor) -> Tensor:
    """Return for each anchor [A, 4] the index of its box among [n, 4], NEGATIVE or UNDECIDED.

    An anchor belongs to the box that it overlaps most if that is by POSITIVE_IOU, and to none
    below NEGATIVE_IOU. Besides, each box gets the anchors that overlap it most, however little;
    of several such boxes the last one.
    """
    best = anchors.new_zeros(len(anchors))
    matched = torch.full((len(anchors),), NEGATIVE, device=anchors.device)
    claimed = matched.clone()
    for start, overlaps in _overlaps(boxes, anchors):
        value, index = overlaps.max(dim=0)
        better = value > best
        best = torch.where(better, value, best)
        matched = torch.where(better, index + start, matched)
        # A box outside every anchor overlaps all of them by its maximum, 0: it claims none.
        most = overlaps.amax(dim=1, keepdim=True).clamp_(min=torch.finfo(overlaps.dtype).tiny)
        numbers = torch.arange(start, start + len(overlaps), device=anchors.device)[:, None]
        claimed = claimed.maximum(torch.where(overlaps == most, numbers, NEGATIVE).amax(dim=0))
    matched[best < POSITIVE_IOU] = UNDECIDED
    matched[best < NEGATIVE_IOU] = NEGATIVE
    return torch.where(claimed != NEGATIVE, claimed, matched)


def _overlaps(boxes: Tensor, anchors: Tensor) -> Iterator[tuple[int, Tensor]]:
    """Yield the intersections over unions [boxes, A] of a few boxes at a time with all anchors."""
    step = max(1, _CHUNK_ELEMENTS // max(len(anchors), 1))
    # One row a side: the CPU takes several times as long for every fourth number of a row.
    lefts, tops, rights, bottoms = anchors.t().contiguous()
    anchor_area = (rights - lefts) * (bottoms - tops)
    for start in range(0, len(boxes), step):
        left, top, right, bottom = boxes[start : start + step, :, None].unbind(1)
        width = torch.minimum(right, rights).sub_(torch.maximum(left, lefts)).clamp_(min=0)
        height = torch.minimum(bottom, bottoms).sub_(torch.maximum(top, tops)).clamp_(min=0)
        shared = width.mul_(height)
        area = (right - left) * (bottom - top)
        yield start, shared / (area + anchor_area).sub_(shared)
