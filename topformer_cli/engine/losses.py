"""Exact upsample + cross-entropy without full-resolution logits in memory.

The objective is the authors': logits at 1/8 are resized bilinearly to the label's size, then
cross-entropy. Tiles of output rows are formed, scored and turned into their gradient one after
another, in the forward pass; the backward pass only scales.
"""

from typing import Any, Literal

import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch import Tensor

from topformer_cli.engine.resize import resize_matrix, row_tiles

IGNORE = 255

Normalise = Literal["all_pixels", "valid"]


def upsampled_cross_entropy(logits: Tensor, labels: Tensor, normalise: Normalise) -> Tensor:
    """Score logits against labels at the labels' size.

    Shapes: logits [B, C, h, w], labels [B, H, W] uint8 with 255 ignored -> scalar.
    normalise `all_pixels` divides by B * H * W (mmsegmentation 0.x), `valid` by the pixels that
    are not ignored; no valid pixel gives 0.
    """
    valid = labels.numel() if normalise == "all_pixels" else int((labels != IGNORE).sum())
    loss: Tensor = _TiledCrossEntropy.apply(logits, labels, max(valid, 1))
    return loss


class _TiledCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits: Tensor, labels: Tensor, divisor: int) -> Tensor:  # noqa: ANN401
        height, width = labels.shape[1:]
        columns = resize_matrix(logits.shape[3], width).to(logits.device)
        gradient = torch.empty(logits.shape, dtype=torch.float32, device=logits.device)
        total = torch.zeros((), dtype=torch.float64, device=logits.device)
        for index, image in enumerate(logits.detach().float().permute(0, 2, 3, 1).contiguous()):
            wide = torch.matmul(columns, image)
            loss, wide_gradient = _score_rows(wide, labels[index], height)
            total += loss
            narrow = torch.matmul(columns.t(), wide_gradient)
            gradient[index] = narrow.permute(2, 0, 1)
        ctx.save_for_backward(gradient.div_(divisor).to(logits.dtype))
        return (total / divisor).float()

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, None, None]:  # noqa: ANN401
        (gradient,) = ctx.saved_tensors
        return gradient * grad_outputs[0], None, None


def _score_rows(wide: Tensor, labels: Tensor, height: int) -> tuple[Tensor, Tensor]:
    """Return the summed loss of one image and its gradient for [h, W, C] logits."""
    rows, width, classes = wide.shape
    flat = wide.view(rows, -1)
    gradient = torch.zeros_like(flat)
    total = torch.zeros((), dtype=torch.float64, device=wide.device)
    for tile in row_tiles((rows, height), width * classes):
        weights = tile.weights.to(wide.device)
        target = labels[tile.start : tile.stop].reshape(-1).long()
        valid = target != IGNORE
        target = target.where(valid, target.new_zeros(()))[:, None]
        values = torch.matmul(weights, flat[tile.low : tile.high]).view(-1, classes)
        log_share = F.log_softmax(values, 1)
        total -= (log_share.gather(1, target)[:, 0] * valid).sum(dtype=torch.float64)
        share = log_share.exp_().scatter_add_(1, target, log_share.new_full(target.shape, -1.0))
        share.mul_(valid[:, None])
        gradient[tile.low : tile.high] += torch.matmul(
            weights.t(), share.view(tile.stop - tile.start, -1)
        )
    return total, gradient.view(rows, width, classes)
