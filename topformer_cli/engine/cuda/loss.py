"""Upsample + cross-entropy on CUDA: loss and gradient in one pass, no full-resolution logits.

Every output pixel lies between four neighbouring cells of the logits. One program takes all pixels
between four cells: it holds their logits in registers, interpolates, exponentiates and scores pixel
by pixel, and sums the gradient of its four cells. A second kernel adds up what the four programs
around each cell found, in a fixed order, so that results repeat bit for bit.

Before that, each cell's largest logit is subtracted: interpolated values are at most 0 then, and no
pixel needs a maximum of its own, except where all its exponentials vanish.

Imported only where there is a CUDA device: triton is not installed elsewhere.
"""

import functools
from typing import Final

import torch
import triton
import triton.language as tl
from torch import Tensor

from topformer_cli.engine.resize import interpolation_bands

PIXELS: Final = 2
"""Neighbouring pixels of a row that a program scores together."""


def scored(
    logits: Tensor,
    labels: Tensor,
    divisor: Tensor,
    class_weights: Tensor | None,
    kind: torch.dtype,
) -> tuple[Tensor, Tensor]:
    """Return the loss and its gradient with respect to the logits, of the given type.

    Shapes: logits [B, C, h, w] of any float type, labels [B, H, W] uint8 with 255 ignored, divisor
    a scalar, class_weights [C] -> scalar, [B, C, h, w] in channels-last order.
    """
    batch, classes, height, width = logits.shape
    cells = logits.contiguous(memory_format=torch.channels_last)
    rows, row_shares = _axis(height, labels.shape[1], logits.device)
    columns, column_shares = _axis(width, labels.shape[2], logits.device)
    count = batch * height * width
    corners = torch.empty(count, 4, classes, dtype=torch.float32, device=logits.device)
    losses = torch.empty(count, dtype=torch.float32, device=logits.device)
    weights = divisor if class_weights is None else class_weights
    main, rest = _blocks(classes)
    _score[(count,)](
        cells, labels, rows, columns, row_shares, column_shares, weights, divisor, corners, losses,
        height, width, labels.shape[1], labels.shape[2],
        C=classes, MAIN=main, REST=rest, PIXELS=PIXELS, WEIGHTED=class_weights is not None,
        num_warps=1,
    )  # fmt: skip
    gradient = torch.empty_like(cells, dtype=kind)
    block = triton.next_power_of_2(classes)
    _gather[(count,)](corners, gradient, height, width, C=classes, BLOCK=block, num_warps=1)
    return losses.sum(dtype=torch.float64).float(), gradient


def _blocks(classes: int) -> tuple[int, int]:
    """Cover the classes by two blocks whose lengths are powers of two: 150 by 128 and 32."""
    main = 1 << (classes.bit_length() - 1)
    return main, triton.next_power_of_2(max(classes - main, 1))


@functools.lru_cache(maxsize=64)
def _axis(inputs: int, outputs: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return, on the device, where the outputs after each input begin, and their shares."""
    starts, shares = interpolation_bands(inputs, outputs)
    return starts.to(device), shares.to(device)


@triton.jit
def _score(
    cells, labels, rows, columns, row_shares, column_shares, weights, divisor, corners, losses,
    h, w, H, W, WEIGHTED: tl.constexpr,
    C: tl.constexpr, MAIN: tl.constexpr, REST: tl.constexpr, PIXELS: tl.constexpr,
):  # fmt: skip
    """Score the pixels between a cell, its neighbours right and below, and the one across."""
    cell = tl.program_id(0)
    column, row, image = cell % w, (cell // w) % h, cell // (w * h)
    lowest, rightmost = row == h - 1, column == w - 1
    below, right = tl.where(lowest, 0, w), tl.where(rightmost, 0, 1)
    c, c2 = tl.arange(0, MAIN), MAIN + tl.arange(0, REST)
    a, b, d, e = _load(cells, cell, right, below, c, C)
    a2, b2, d2, e2 = _load(cells, cell, right, below, c2, C)
    (a, a2), (b, b2) = _relative(a, a2), _relative(b, b2)
    (d, d2), (e, e2) = _relative(d, d2), _relative(e, e2)
    none, none2 = tl.zeros([MAIN], tl.float32), tl.zeros([REST], tl.float32)
    ga, gb, gd, ge, ga2, gb2, gd2, ge2 = none, none, none, none, none2, none2, none2, none2
    hits, hits2 = tl.zeros([PIXELS, MAIN], tl.float32), tl.zeros([PIXELS, REST], tl.float32)
    logs = tl.zeros([PIXELS], tl.float32)
    first, last = tl.load(columns + column), tl.load(columns + column + 1)
    for y in range(tl.load(rows + row), tl.load(rows + row + 1)):
        down = tl.load(row_shares + y)
        start, slope = _between(a, b, d, e, down)
        start2, slope2 = _between(a2, b2, d2, e2, down)
        left, onward, left2, onward2 = none, none, none2, none2
        for x in range(first, last, PIXELS):
            xs = x + tl.arange(0, PIXELS)
            along = tl.load(column_shares + xs, xs < last, 0.0)[:, None]
            label = tl.load(labels + (image * H + y) * W + xs, xs < last, 255).to(tl.int32)
            value = start[None, :] + slope[None, :] * along
            value2 = start2[None, :] + slope2[None, :] * along
            share, share2 = tl.exp2(value), tl.exp2(value2)
            total = tl.sum(share, 1) + tl.sum(share2, 1)
            if tl.min(total, 0) < 1e-30:
                most = tl.maximum(tl.max(value, 1), tl.max(value2, 1))[:, None]
                value, value2 = value - most, value2 - most
                share, share2 = tl.exp2(value), tl.exp2(value2)
                total = tl.sum(share, 1) + tl.sum(share2, 1)
            weight = tl.where(label == 255, 0.0, 1.0)
            if WEIGHTED:
                weight = tl.load(weights + label, label != 255, 0.0)
            logs += tl.where(weight > 0, weight * tl.log2(total), 0.0)
            hit = tl.where(c[None, :] == label[:, None], weight[:, None], 0.0)
            hits += tl.where(hit > 0, hit * value, 0.0)
            gradient = share * (weight / total)[:, None] - hit
            left, onward = left + tl.sum(gradient, 0), onward + tl.sum(gradient * along, 0)
            hit2 = tl.where(c2[None, :] == label[:, None], weight[:, None], 0.0)
            hits2 += tl.where(hit2 > 0, hit2 * value2, 0.0)
            gradient2 = share2 * (weight / total)[:, None] - hit2
            left2, onward2 = left2 + tl.sum(gradient2, 0), onward2 + tl.sum(gradient2 * along, 0)
        ga, gb, gd, ge = _spread(ga, gb, gd, ge, left - onward, onward, down)
        ga2, gb2, gd2, ge2 = _spread(ga2, gb2, gd2, ge2, left2 - onward2, onward2, down)
    scale = 1.0 / tl.load(divisor)
    out = corners + cell.to(tl.int64) * 4 * C
    _store(out, c, ga, gb, gd, ge, scale, lowest, rightmost, C)
    _store(out, c2, ga2, gb2, gd2, ge2, scale, lowest, rightmost, C)
    loss = tl.sum(logs, 0) - tl.sum(tl.sum(hits, 1), 0) - tl.sum(tl.sum(hits2, 1), 0)
    tl.store(losses + cell, loss * 0.6931471805599453 * scale)


@triton.jit
def _load(cells, cell, right, below, c, C: tl.constexpr):
    """Load the logits of four cells for base-2 exponentials; classes beyond C count nothing."""
    a = tl.load(cells + cell.to(tl.int64) * C + c, c < C, 0.0)
    b = tl.load(cells + (cell + right).to(tl.int64) * C + c, c < C, 0.0)
    d = tl.load(cells + (cell + below).to(tl.int64) * C + c, c < C, 0.0)
    e = tl.load(cells + (cell + below + right).to(tl.int64) * C + c, c < C, 0.0)
    return _base_2(a, c, C), _base_2(b, c, C), _base_2(d, c, C), _base_2(e, c, C)


@triton.jit
def _relative(main, rest):
    """Subtract the largest logit of a cell from all of them."""
    largest = tl.maximum(tl.max(main, 0), tl.max(rest, 0))
    return main - largest, rest - largest


@triton.jit
def _base_2(values, c, C: tl.constexpr):
    return tl.where(c < C, values.to(tl.float32) * 1.4426950408889634, -1e30)


@triton.jit
def _between(a, b, d, e, down):
    """Interpolate four cells along their rows' left and right edge: a start and a slope."""
    start = a + (d - a) * down
    return start, b + (e - b) * down - start


@triton.jit
def _spread(ga, gb, gd, ge, left, right, down):
    """Add the gradient at a row's left and right edge to the four cells."""
    up = 1 - down
    return ga + left * up, gb + right * up, gd + left * down, ge + right * down


@triton.jit
def _store(out, c, ga, gb, gd, ge, scale, lowest, rightmost, C: tl.constexpr):
    """Write the gradients of four cells; beyond the border a cell is its neighbour."""
    ga += tl.where(rightmost, gb, 0.0)
    gd += tl.where(rightmost, ge, 0.0)
    ga += tl.where(lowest, gd, 0.0)
    gb += tl.where(lowest, ge, 0.0)
    tl.store(out + c, ga * scale, c < C)
    tl.store(out + C + c, gb * scale, c < C)
    tl.store(out + 2 * C + c, gd * scale, c < C)
    tl.store(out + 3 * C + c, ge * scale, c < C)


@triton.jit
def _gather(corners, gradient, h, w, C: tl.constexpr, BLOCK: tl.constexpr):
    """Add up what the four programs around a cell found for it."""
    cell = tl.program_id(0)
    left = tl.where(cell % w > 0, C, 0)
    top = tl.where((cell // w) % h > 0, C, 0)
    c = tl.arange(0, BLOCK)
    own = corners + cell.to(tl.int64) * 4 * C + c
    found = tl.load(own, c < C, 0.0)
    found += tl.load(own - 4 * C + C, c < left, 0.0)
    found += tl.load(own - w * 4 * C + 2 * C, c < top, 0.0)
    found += tl.load(own - (w + 1) * 4 * C + 3 * C, c < tl.minimum(left, top), 0.0)
    tl.store(gradient + cell.to(tl.int64) * C + c, found, c < C)
