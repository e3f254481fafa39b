"""Exact upsample + cross-entropy without full-resolution logits in memory.

The objective is the authors': logits at 1/8 are resized bilinearly to the label's size, then
cross-entropy. Tiles of the output are formed, scored and turned into their gradient one after
another, in the forward pass; the backward pass only scales.
"""

from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch import Tensor

from topformer_cli.engine.loss_cells import grows_in_cells, relative_logits, score_cells
from topformer_cli.engine.resize import resize_matrix, row_tiles
from topformer_cli.engine.tally import sum_type
from topformer_cli.errors import DataError
from topformer_cli.torch_threads import heed, one_thread

IGNORE = 255

Normalise = Literal["all_pixels", "valid"]


def pixel_count(
    labels: Tensor, normalise: Normalise, class_weights: Tensor | None = None
) -> Tensor:
    """Return what a loss over labels is divided by, without waiting for the device.

    Shapes: labels [B, H, W] uint8, class_weights [C] -> 0-d float32. `all_pixels` is B * H * W
    (mmsegmentation 0.x, weighted or not); `valid` the pixels that are not ignored, each counted
    with its label's weight as torch's cross-entropy does, which may be 0.
    """
    if normalise == "all_pixels":
        return torch.full((), float(labels.numel()), device=labels.device)
    valid = labels != IGNORE
    if class_weights is None:
        return valid.sum().float()
    weight = class_weights.to(labels.device)[labels.where(valid, labels.new_zeros(())).long()]
    return (weight * valid).sum(dtype=sum_type(labels.device)).float()


def upsampled_cross_entropy(
    logits: Tensor, labels: Tensor, divisor: Tensor, class_weights: Tensor | None = None
) -> Tensor:
    """Sum the cross-entropy of logits resized to the labels' size, and divide it.

    Shapes: logits [B, C, h, w], labels [B, H, W] uint8 with 255 ignored, divisor 0-d (see
    `pixel_count`), class_weights [C] -> 0-d float32.

    Raises:
        DataError: a label is not one of the classes (found on the CPU only: elsewhere a look at
            the labels would wait for the device).
    """
    if labels.device.type == "cpu":
        _require_labels(labels, logits.shape[1])
    loss: Tensor = _TiledCrossEntropy.apply(logits, labels, divisor, class_weights)
    return loss


def _require_labels(labels: Tensor, classes: int) -> None:
    highest = int(labels.where(labels != IGNORE, labels.new_zeros(())).amax())
    if highest >= classes:
        message = (
            f"label {highest} in a mask, but the network has {classes} classes; "
            "look at the set with `topformer data check`"
        )
        raise DataError(message)


class _TiledCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401
        logits: Tensor,
        labels: Tensor,
        divisor: Tensor,
        class_weights: Tensor | None,
    ) -> Tensor:
        # The objective is exact in fp32, whatever the network computes in.
        with torch.autocast(logits.device.type, enabled=False):
            loss, gradient = _scored(logits.detach(), labels, divisor, class_weights)
        ctx.save_for_backward(gradient)
        ctx.kind = logits.dtype
        return loss

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, None, None, None]:  # noqa: ANN401
        (gradient,) = ctx.saved_tensors
        return (gradient * grad_outputs[0]).to(ctx.kind), None, None, None


def _scored(
    logits: Tensor, labels: Tensor, divisor: Tensor, class_weights: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Return the loss and its gradient with respect to the logits, of the type `_keeping`."""
    if logits.is_cuda:
        # Imported here: triton comes with CUDA builds of torch alone.
        from topformer_cli.engine.cuda.loss import scored

        return scored(logits, labels, divisor, class_weights, _keeping(logits.dtype))
    gradient = torch.empty_like(logits, dtype=torch.float32)

    def score(index: int) -> Tensor:
        positions = logits[index].float().permute(1, 2, 0).contiguous()
        loss, found = _score(positions, *_targets(labels[index], class_weights))
        gradient[index].permute(1, 2, 0).copy_(found)
        return loss

    # The operators of one image are too small for torch to share out among its threads.
    threads = torch.get_num_threads() if logits.device.type == "cpu" else 1
    with one_thread(), ThreadPoolExecutor(threads, initializer=heed) as pool:
        losses = list(pool.map(score, range(len(logits))))
    total = torch.stack(losses).sum()
    return (total / divisor).float(), gradient.div_(divisor).to(_keeping(logits.dtype))


def _keeping(kind: torch.dtype) -> torch.dtype:
    """Return the type in which a gradient waits for the loss scale.

    Unscaled, a pixel's share of a batch is below what half precision can tell from 0.
    """
    return torch.float32 if kind == torch.float16 else kind


def _targets(labels: Tensor, class_weights: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return classes [H, W], 0 where a pixel is ignored, and the weight of each pixel."""
    valid = labels != IGNORE
    target = labels.where(valid, labels.new_zeros(())).long()
    if class_weights is None:
        return target, valid.float()
    return target, class_weights.float()[target] * valid


def _score(image: Tensor, target: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Return the summed loss of logits [h, w, C] and its gradient, by the quickest way."""
    if image.device.type == "cpu" and grows_in_cells(image.shape, target.shape):
        relative = relative_logits(image)
        if relative is not None:
            return score_cells(relative, target, weights)
    return _score_rows(image, target, weights)


def _score_rows(image: Tensor, target: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Return the summed loss of [h, w, C] logits and its gradient, by tiles of output rows."""
    rows, columns, classes = image.shape
    height, width = target.shape
    across = resize_matrix(columns, width).to(image.device)
    wide = torch.matmul(across, image).view(rows, -1)
    gradient = torch.zeros_like(wide)
    kind = sum_type(image.device)
    total = torch.zeros((), dtype=kind, device=image.device)
    for tile in row_tiles((rows, height), width * classes):
        down = tile.weights.to(image.device)
        chosen = target[tile.start : tile.stop].reshape(-1, 1)
        weight = weights[tile.start : tile.stop].reshape(-1, 1)
        values = torch.matmul(down, wide[tile.low : tile.high]).view(-1, classes)
        log_share = F.log_softmax(values, 1)
        total -= (log_share.gather(1, chosen) * weight).sum(dtype=kind)
        share = log_share.exp_().scatter_add_(1, chosen, torch.full_like(weight, -1))
        share.mul_(weight)
        gradient[tile.low : tile.high] += torch.matmul(down.t(), share.view(down.shape[0], -1))
    return total, torch.matmul(across.t(), gradient.view(rows, width, classes))
