"""Bilinear resizing as two small matrices, so that full-resolution logits never exist at once.

`F.interpolate(mode="bilinear", align_corners=False)` is separable: out = R x C^T with one matrix
an axis and at most two non-zeros a row. Two resizes in a row are the product of their matrices.
"""

from collections.abc import Iterator
from typing import Final

import torch
from torch import Tensor

from topformer_cli.engine.kept_by_bytes import kept_by_bytes
from topformer_cli.models import bilinear

TILE_ELEMENTS = 1 << 20
"""Values of one tile of upsampled logits: 4 MB in fp32, which stays in a core's cache."""

_KEPT: Final = 32 << 20
"""Bytes of matrices that are kept, and of their tiles: of hundreds of sizes of usual pictures, or
of some of 50 megapixels."""

_TILE_BYTES: Final = 1024
"""What a tile has beside its weights, about; those of large pictures are many and small."""


def _bytes_of(matrix: Tensor) -> int:
    return matrix.nbytes


def _bytes_of_tiles(tiles: tuple["RowTile", ...]) -> int:
    return sum(tile.weights.nbytes + _TILE_BYTES for tile in tiles)


def _bytes_of_bands(bands: tuple[Tensor, Tensor]) -> int:
    return sum(one.nbytes for one in bands)


@kept_by_bytes(_KEPT, _bytes_of)
def resize_matrix(inputs: int, *outputs: int) -> Tensor:
    """Return the [last output, inputs] matrix of resizing one axis through the given lengths."""
    matrix = torch.eye(inputs, dtype=torch.float64)
    for length in outputs:
        matrix = bilinear.matrix(matrix.shape[0], length) @ matrix
    return matrix.float()


@kept_by_bytes(_KEPT, _bytes_of_tiles)
def row_tiles(matrix_key: tuple[int, ...], row_elements: int) -> tuple["RowTile", ...]:
    """Cut the output rows of `resize_matrix(*matrix_key)` into tiles of about TILE_ELEMENTS."""
    return tuple(_tiles(resize_matrix(*matrix_key), max(1, TILE_ELEMENTS // row_elements)))


class RowTile:
    """Output rows [start, stop), the source rows [low, high) they need, and their weights."""

    __slots__ = ("high", "low", "start", "stop", "weights")

    def __init__(self, matrix: Tensor, start: int, stop: int) -> None:
        used = matrix[start:stop].abs().sum(0).nonzero()[:, 0]
        self.start, self.stop = start, stop
        self.low, self.high = int(used[0]), int(used[-1]) + 1
        self.weights = matrix[start:stop, self.low : self.high].contiguous()


def _tiles(matrix: Tensor, rows: int) -> Iterator[RowTile]:
    for start in range(0, matrix.shape[0], rows):
        yield RowTile(matrix, start, min(start + rows, matrix.shape[0]))


def upsampled_labels(logits: Tensor, *sizes: tuple[int, int]) -> Tensor:
    """Resize logits through the given (height, width) sizes and take the argmax, tile by tile.

    Shapes: logits [C, h, w] -> labels [H, W] uint8 (C <= 255), H and W of the last size. Equal to
    successive bilinear resizes and argmax up to rounding.
    """
    classes, height, width = logits.shape
    columns = resize_matrix(width, *(size[1] for size in sizes)).to(logits.device)
    out_height, out_width = sizes[-1]
    wide = torch.matmul(columns, logits.float().permute(1, 2, 0).contiguous())
    labels = torch.empty(out_height, out_width, dtype=torch.uint8, device=logits.device)
    key = (height, *(size[0] for size in sizes))
    for tile in row_tiles(key, out_width * classes):
        source = wide[tile.low : tile.high].reshape(tile.high - tile.low, -1)
        values = torch.matmul(tile.weights.to(logits.device), source)
        labels[tile.start : tile.stop] = argmax_of_classes(values.view(-1, out_width, classes))
    return labels


def argmax_of_classes(values: Tensor) -> Tensor:
    """Return the argmax over the last axis; on the CPU by numpy, measured 4 times as fast."""
    if values.device.type == "cpu":
        return torch.from_numpy(values.numpy().argmax(-1))
    return values.argmax(-1)


@kept_by_bytes(_KEPT, _bytes_of_bands)
def interpolation_bands(inputs: int, outputs: int) -> tuple[Tensor, Tensor]:
    """Say between which inputs each output of a resized axis lies.

    Returns starts [inputs + 1] int32, where the outputs between input i and i + 1 are starts[i] ..
    starts[i + 1] - 1, and shares [outputs] float32, each output's share of input i + 1. What lies
    beyond the last input has share 0 of nothing: input i + 1 is the last one, too.
    """
    position = bilinear.positions(inputs, outputs)
    low = position.floor().long()
    starts = torch.searchsorted(low, torch.arange(inputs + 1))
    return starts.int(), (position - low).float()
