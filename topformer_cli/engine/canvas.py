"""Label maps from several looks at a picture, in memory that does not grow with it.

Logits of windows, scales and mirror images are put together for some rows of the picture at a time:
those of a whole photo for 150 classes would take 30 GB. Equal, up to rounding, to slide_inference
and aug_test of mmsegmentation 0.19.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from topformer_cli.data.looks import Window
from topformer_cli.engine.resize import argmax_of_classes, resize_matrix
from topformer_cli.models import bilinear

_BAND: Final = 1 << 24
"""Values of the rows that are put together at a time: 64 MB in fp32."""


class Canvas:
    """The logits of a network's input, put together of windows, which may reach beyond it.

    size: (height, width). logits_of gives a window's logits [C, h, w]; a window is asked for once,
    if rows are read from top to bottom.
    """

    def __init__(
        self,
        size: tuple[int, int],
        windows: Iterable[Window],
        logits_of: Callable[[Window], Tensor],
    ) -> None:
        self.size = size
        self.windows = tuple(windows)
        self.logits_of = logits_of
        self.kept: dict[Window, Tensor] = {}

    def rows(self, low: int, high: int) -> Tensor:
        """Return the mean of all windows' logits in rows [low, high): [rows, width, C]."""
        self.kept = {one: logits for one, logits in self.kept.items() if one.bottom > low}
        crossed = [one for one in self.windows if one.top < high and one.bottom > low]
        for window in crossed:
            if window not in self.kept:
                self.kept[window] = self.logits_of(window)
        classes, device = len(self.kept[crossed[0]]), self.kept[crossed[0]].device
        total = torch.zeros(high - low, self.size[1], classes, device=device)
        count = torch.zeros(high - low, self.size[1], 1, device=device)
        for window in crossed:
            top, bottom = max(low, window.top), min(high, window.bottom)
            right = min(window.right, self.size[1])
            place = slice(top - low, bottom - low), slice(window.left, right)
            rows = _rows_of(self.kept[window], window, top, bottom)
            total[place] += rows[:, : right - window.left]
            count[place] += 1
        return total / count


def _rows_of(logits: Tensor, window: Window, top: int, bottom: int) -> Tensor:
    """Resize logits [C, h, w] to a window's size; return some rows of that: [rows, width, C]."""
    classes, height, width = logits.shape
    rows = resize_matrix(height, window.bottom - window.top)[top - window.top : bottom - window.top]
    columns = resize_matrix(width, window.right - window.left).to(logits.device)
    places = logits.float().permute(1, 2, 0).reshape(height, width * classes)
    tall = torch.matmul(rows.to(logits.device), places).view(-1, width, classes)
    return torch.matmul(columns, tall)


@dataclass(frozen=True, slots=True)
class View:
    """A canvas over its picture of (height, width); flipped if it is of the mirror image."""

    canvas: Canvas
    picture: tuple[int, int]
    flipped: bool = False

    def rows(self, low: int, high: int) -> Tensor:
        """Return the logits of rows [low, high) of the picture: [rows, width, C]."""
        height, width = self.canvas.size
        at = bilinear.positions(height, self.picture[0])[low:high]
        first, last = int(at[0]), math.ceil(at[-1])
        values = _between(self.canvas.rows(first, last + 1), at - first, 0)
        values = _between(values, bilinear.positions(width, self.picture[1]), 1)
        return values.flip(1) if self.flipped else values


def _between(values: Tensor, at: Tensor, axis: int) -> Tensor:
    """Interpolate values at positions of an axis."""
    if len(at) == values.shape[axis] and bool((at == torch.arange(len(at))).all()):
        return values
    at = at.to(values.device)
    low = at.floor().long()
    high = (low + 1).clamp(max=values.shape[axis] - 1)
    share = (at - low).float().view(-1, *[1] * (values.ndim - 1 - axis))
    return torch.lerp(values.index_select(axis, low), values.index_select(axis, high), share)


def labels_of_views(views: Sequence[View], classes: int) -> Tensor:
    """Take the likeliest class of every pixel: [H, W] uint8 (at most 255 classes).

    The views are of one picture; several are averaged as probabilities.
    """
    height, width = views[0].picture
    labels = torch.empty(height, width, dtype=torch.uint8)
    band = max(1, _BAND // (width * classes))
    for low in range(0, height, band):
        high = min(low + band, height)
        values = views[0].rows(low, high)
        for number, view in enumerate(views[1:]):
            values = values if number else values.softmax(2)
            values += view.rows(low, high).softmax(2)
        labels[low:high] = argmax_of_classes(values)
    return labels
