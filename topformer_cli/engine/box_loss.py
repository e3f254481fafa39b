"""The loss of RetinaNet: focal loss of the classes, L1 of the offsets.

Settings of mmdetection's configs/_base_/models/retinanet_r50_fpn.py. Both sums are divided by the
anchors of the whole batch that stand for an object, at least one an image (anchor_head's
num_total_pos); torchvision divides image by image.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch import Tensor

from topformer_cli.models.boxes import (
    NEGATIVE,
    UNDECIDED,
    anchor_boxes,
    encode_boxes,
    match_anchors,
    real_anchors,
)

GAMMA: Final = 2
ALPHA: Final = 0.25

_ROWS: Final = {"cpu": 1 << 11}
_MANY_ROWS: Final = 1 << 19
"""Anchors whose classes are scored at a time: for 80 classes 0.7 MB, of which a core's own cache
holds some, and 168 MB, which keeps a GPU busy."""


@dataclass(frozen=True, slots=True)
class BoxTargets:
    """What a batch of images of one padded size (height, width) should give.

    boxes: [N, 4] corners in pixels; categories: [N] train ids; owners: [N] the place in the batch
    of each box's image; sizes: [B, 2] (height, width) of each image before padding.
    """

    size: tuple[int, int]
    boxes: Tensor
    categories: Tensor
    owners: Tensor
    sizes: Tensor

    @classmethod
    def of(cls, images: Tensor, targets: Sequence[Tensor]) -> "BoxTargets":
        """Take the targets of a batch as the loader gives them; images [B, 3, H, W]."""
        boxes, categories, owners, sizes = targets
        return cls((images.shape[2], images.shape[3]), boxes, categories, owners, sizes)


def detection_loss(logits: Tensor, offsets: Tensor, targets: BoxTargets) -> tuple[Tensor, Tensor]:
    """Score what the network says of every anchor; return the sum, and what to divide it by.

    Shapes: logits [B, A, classes], offsets [B, A, 4] -> two scalars. Anchors on the padding that
    only the batch's common size made necessary do not count.
    """
    anchors = torch.cat(anchor_boxes(*targets.size, logits.device))
    labels = torch.full(logits.shape[:2], NEGATIVE, device=logits.device)
    total, positives = logits.new_zeros((), dtype=torch.float32), 0
    for number, image_size in enumerate(targets.sizes.tolist()):
        mine = targets.owners == number
        boxes = targets.boxes[mine]
        matched = _match_real(anchors, boxes, targets.size, (image_size[0], image_size[1]))
        chosen = (matched >= 0).nonzero()[:, 0]
        objects = matched[chosen]
        labels[number] = matched.clamp(max=NEGATIVE)
        labels[number, chosen] = targets.categories[mine][objects]
        wanted = encode_boxes(boxes[objects], anchors[chosen])
        total = total + F.l1_loss(offsets[number, chosen].float(), wanted, reduction="sum")
        positives += max(len(chosen), 1)
    classes = focal_loss(logits.flatten(0, 1), labels.flatten())
    return classes + total, torch.tensor(float(positives), device=logits.device)


def _match_real(
    anchors: Tensor, boxes: Tensor, size: tuple[int, int], image_size: tuple[int, int]
) -> Tensor:
    """Match the anchors that lie on the image; all others are undecided."""
    real = real_anchors(size, image_size, anchors.device)
    matched = torch.full((len(anchors),), UNDECIDED, device=anchors.device)
    matched[real] = match_anchors(anchors[real], boxes)
    return matched


def focal_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Sum the focal loss (Lin et al., 2017) of anchors over every class.

    Shapes: logits [A, classes], labels [A] with a train id, NEGATIVE for no class, or UNDECIDED
    for an anchor that does not count -> scalar.
    """
    loss: Tensor = _FocalLoss.apply(logits, labels)
    return loss


class _FocalLoss(torch.autograd.Function):
    """Loss and gradient together, some rows at a time; the backward pass only scales.

    Every pair of anchor and class is scored as a negative; the few positive ones are put right.
    """

    @staticmethod
    def forward(ctx: Any, logits: Tensor, labels: Tensor) -> Tensor:  # noqa: ANN401
        gradient = torch.empty_like(logits)
        total = torch.zeros((), dtype=torch.float64, device=logits.device)
        step = _ROWS.get(logits.device.type, _MANY_ROWS)
        for start in range(0, len(logits), step):
            rows = slice(start, start + step)
            counted = labels[rows, None] != UNDECIDED
            loss, slope = _as_negatives(logits[rows].float(), counted)
            total += loss
            gradient[rows] = slope
        positive = (labels >= 0).nonzero()[:, 0]
        chosen = positive, labels[positive]
        values = logits[chosen].float()[:, None]
        # The loss of a positive is that of a negative on the other side, with the other weight.
        loss, slope = _as_negatives(-values)
        factor = ALPHA / (1 - ALPHA)
        total += factor * loss - _as_negatives(values)[0]
        gradient[chosen] = (-factor * slope[:, 0]).to(gradient.dtype)
        ctx.save_for_backward(gradient)
        return total.float()

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, None]:  # noqa: ANN401
        (gradient,) = ctx.saved_tensors
        return gradient * grad_outputs[0].to(gradient.dtype), None


def _as_negatives(x: Tensor, counted: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Sum (1 - alpha) p^gamma softplus(x), where p = sigmoid(x), and return its derivative, too.

    Shapes: x [n, m], counted [n, 1], which says what counts (all of it without) -> [], [n, m].
    """
    share, cost = x.sigmoid(), F.softplus(x)
    weight = (share**GAMMA).mul_(1 - ALPHA if counted is None else (1 - ALPHA) * counted)
    loss = (weight * cost).sum(1).sum(dtype=torch.float64)
    # weight * (gamma * (1 - share) * cost + share), where the values lie that are needed no more.
    left = cost.addcmul_(cost, share, value=-1)
    return loss, share.add_(left, alpha=GAMMA).mul_(weight)
