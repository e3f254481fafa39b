"""Cross-entropy of logits enlarged by a power of two, with hardly any exponentials (CPU).

Four neighbouring logits make a cell of s x s pixels. Along a row of it an interpolated logit grows
by equal steps d / s, so its exponential grows by equal factors: with e and exp(d / 2) at hand,
exp(d / 4), ... are square roots, and doubling what is there fills the row by one multiplication a
pixel. Columns likewise. What a cell gives back to its four corners is one small matrix product
that scales each pixel on the way. Bands of cells stay in a core's cache.

Each logit is taken relative to the largest of its position, whose interpolation is the same for
all classes and cancels. Relative logits are bounded by `LEAST_LOGIT` so that no factor leaves the
range of single precision.
"""

import functools
import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch import Tensor

LEAST_LOGIT = -60.0
"""exp(-60) = 9e-27; the exponentials of a pixel add up to more, one corner in four being near."""

BAND_ELEMENTS = 1 << 20
"""Exponentials of one band of cells: 4 MB in fp32."""


def grows_in_cells(inputs: Sequence[int], outputs: Sequence[int]) -> bool:
    """Say whether height and width both grow by the same power of two, 2 or more."""
    factor = outputs[0] // inputs[0]
    same = tuple(outputs[:2]) == (inputs[0] * factor, inputs[1] * factor)
    return same and factor > 1 and factor & (factor - 1) == 0


def relative_logits(image: Tensor) -> Tensor | None:
    """Return logits [h, w, C] less the largest of each position, or None where that is too little.

    None also stands for logits that are not finite.
    """
    relative = image - image.amax(2, keepdim=True)
    return relative if bool(relative.amin() > LEAST_LOGIT) else None


def score_cells(relative: Tensor, labels: Tensor, pixel_weights: Tensor) -> tuple[Tensor, Tensor]:
    """Return the weighted sum of losses of one image, and its gradient.

    Shapes: relative [h, w, C] as of `relative_logits`, labels [H, W] int64 of 0..C - 1,
    pixel_weights [H, W] float32 -> 0-d float64, [h, w, C].
    """
    height, width, classes = relative.shape
    factor = labels.shape[0] // height
    rows = max(1, BAND_ELEMENTS // (factor * factor * (width + 1) * classes))
    growth = _Growth(_framed(relative), factor)
    column = factor * min(rows, height + 1) * (width + 1) * classes
    memory = torch.empty(factor + growth.doublings, column)
    gradient = relative.new_zeros(height + 2, width + 2, classes)
    shares, weights = [], []
    bands = zip(
        range(0, height + 1, rows),
        torch.split(_cells(labels, factor), rows, 2),
        torch.split(_cells(pixel_weights, factor), rows, 2),
        strict=True,
    )
    for start, band_labels, band_weights in bands:
        stop = min(start + rows, height + 1)
        exponentials = growth.exponentials(start, stop, memory)
        weights.append(band_weights.reshape(-1))
        share, scale = _score(exponentials, band_labels.reshape(-1), weights[-1])
        shares.append(share)
        _add_gradient(gradient[start : stop + 1], exponentials, scale)
    losses = torch.cat(shares).log_().mul_(torch.cat(weights))
    return losses.sum(dtype=torch.float64).neg_(), _unframed(gradient)


def _score(exponentials: Tensor, labels: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Return the share of each pixel's label, and what scales a pixel's gradient.

    The exponentials [pixels, C] become the gradient before it is scaled.
    """
    classes = exponentials.shape[1]
    total = torch.mv(exponentials, exponentials.new_ones(classes))
    index = torch.arange(0, exponentials.numel(), classes).add_(labels)
    flat = exponentials.view(-1)
    share = flat.take(index).div_(total)
    flat.index_add_(0, index, total, alpha=-1)
    return share, weights / total


def _add_gradient(gradient: Tensor, pixels: Tensor, scale: Tensor) -> None:
    """Add to the gradient [rows + 1, w + 2, C] of a band's corners what its pixels give back."""
    rows, columns, classes = gradient.shape[0] - 1, gradient.shape[1] - 1, gradient.shape[2]
    cells = rows * columns
    of_cell = pixels.view(-1, cells, classes).transpose(0, 1)
    shares = _corner_shares(pixels.shape[0] // cells)
    scaled = torch.empty(cells, *shares.shape)
    torch.mul(shares, scale.view(-1, cells).t()[:, None], out=scaled)
    corners = torch.bmm(scaled, of_cell).view(rows, columns, 4, classes)
    gradient[:-1, :-1] += corners[:, :, 0]
    gradient[:-1, 1:] += corners[:, :, 1]
    gradient[1:, :-1] += corners[:, :, 2]
    gradient[1:, 1:] += corners[:, :, 3]


def _framed(values: Tensor) -> Tensor:
    """Repeat the border of [h, w, C] outwards: beyond the outer centres a resize is constant."""
    values = torch.cat((values[:1], values, values[-1:]), 0)
    return torch.cat((values[:, :1], values, values[:, -1:]), 1)


def _unframed(gradient: Tensor) -> Tensor:
    gradient[1] += gradient[0]
    gradient[-2] += gradient[-1]
    gradient[:, 1] += gradient[:, 0]
    gradient[:, -2] += gradient[:, -1]
    return gradient[1:-1, 1:-1]


def _cells(values: Tensor, factor: int) -> Tensor:
    """Order pixels [H, W] as [column in cell, row in cell, cell row, cell column]; outside is 0."""
    half = factor // 2
    padded = F.pad(values, (half, half, half, half))
    rows, columns = padded.shape[0] // factor, padded.shape[1] // factor
    return padded.view(rows, factor, columns, factor).permute(3, 1, 0, 2)


@functools.lru_cache(maxsize=16)
def _corner_shares(pixels: int) -> Tensor:
    """Return the share [4, pixels] of each corner in each pixel of a cell, column by column."""
    factor = math.isqrt(pixels)
    high = (torch.arange(factor) + 0.5) / factor
    axis = torch.stack((1 - high, high))
    return torch.einsum("yi,xj->yxji", axis, axis).reshape(4, -1)


class _Growth:
    """Exponentials at each cell's first pixel, and how they grow from there.

    Shapes: pairs hold, for each cell, the exponential itself and its growth over half a cell to
    the right: [2, h + 1, w + 1, C]. down are the growths of both over half a cell downwards, a
    quarter, and so on.
    """

    def __init__(self, corners: Tensor, factor: int) -> None:
        self.factor = factor
        self.doublings = factor.bit_length() - 1
        across = _differences(corners, 1)
        first = _first_pixel(corners[:, :-1], across, factor)
        downwards = torch.stack((_differences(first, 0), _differences(across, 0).mul_(0.5)))
        self.pairs = torch.stack((first[:-1], across[:-1].mul_(0.5)))
        self.pairs.add_(downwards, alpha=0.5 / factor).exp_()
        self.down = [downwards.mul_(0.5).exp_()]
        while len(self.down) < self.doublings:
            self.down.append(self.down[-1].sqrt())

    def exponentials(self, start: int, stop: int, memory: Tensor) -> Tensor:
        """Fill memory for cell rows start .. stop - 1: [pixels, C], ordered as in `_cells`.

        memory has room for a column of pixels of each cell, times s and the doublings.
        """
        factor, (_, _, columns, classes) = self.factor, self.pairs.shape
        shape = (factor, stop - start, columns, classes)
        flat = memory.view(-1)[: (factor + self.doublings) * math.prod(shape)]
        columns_of_cells = flat.view(-1, *shape)
        pixels, right = columns_of_cells[:factor], columns_of_cells[factor:]
        for index, column in enumerate((pixels[0], right[0])):
            column[0] = self.pairs[index, start:stop]
            _double(column, [level[index, start:stop] for level in self.down])
        for level in range(1, self.doublings):
            torch.sqrt(right[level - 1], out=right[level])
        _double(pixels, list(right))
        return pixels.view(-1, classes)


def _differences(values: Tensor, axis: int) -> Tensor:
    length = values.shape[axis] - 1
    return values.narrow(axis, 1, length) - values.narrow(axis, 0, length)


def _first_pixel(corner: Tensor, difference: Tensor, factor: int) -> Tensor:
    return torch.add(corner, difference, alpha=0.5 / factor)


def _double(values: Tensor, growths: Sequence[Tensor]) -> None:
    """Fill values [s, ...] from the first: growths are over half of s, a quarter, and so on."""
    done = 1
    for growth in reversed(growths):
        torch.mul(values[:done], growth, out=values[done : 2 * done])
        done *= 2
