"""3x3 convolutions by fewer multiplications, for training on the CPU (Lavin and Gray, 2016).

A tile of 4x4 outputs depends on 6x6 inputs. Both and the weights are brought where convolution is a
product at each of 36 points: 36 multiplications a tile and pair of channels in place of 144. The
products are matrix products over the channels, which the CPU computes as fast as it multiplies at
all, and so are those of the gradients. The points (0, -1, 1, 1/2, -2 and infinity) keep rounding
within ten times that of a plain convolution (Barabasz et al., 2020). A GPU's library does all this
by itself.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch import Tensor, nn

TILE: Final = 4
WINDOW: Final = TILE + 2
POINTS: Final = WINDOW * WINDOW

_OUTPUT: Final = ((1, 1, 1, 1, 1, 0), (0, -1, 1, 1 / 2, -2, 0), (0, 1, 1, 1 / 4, 4, 0),
                  (0, -1, 1, 1 / 8, -8, 1))  # fmt: skip
_WEIGHT: Final = ((1, 0, 0), (-1 / 3, 1 / 3, -1 / 3), (1 / 3, 1 / 3, 1 / 3),
                  (-16 / 15, -8 / 15, -4 / 15), (1 / 15, -2 / 15, 4 / 15), (0, 0, 1))  # fmt: skip
_INPUT: Final = ((1, -3 / 2, -2, 3 / 2, 1, 0), (0, 1, -5 / 2, 1 / 2, 1, 0),
                 (0, -1, 1 / 2, 5 / 2, 1, 0), (0, -2, -1, 2, 1, 0), (0, 1 / 2, -1, -1 / 2, 1, 0),
                 (0, 1, -3 / 2, -2, 3 / 2, 1))  # fmt: skip
"""Of one axis: outputs of points, points of weights, points of inputs."""

_ONE: Final = 2 * WINDOW + 2
"""The point (1, 1), whose value goes into every output of a tile once: where a bias is added."""

LEAST_CHANNELS: Final = 64
LEAST_TILES: Final = 64
"""With less, bringing inputs and weights there and back costs more than is saved."""


def convolve(maps: Sequence[Tensor], layer: nn.Conv2d) -> list[Tensor]:
    """Apply a layer to several maps [B, C, H, W], all at once where that is faster.

    Such a layer is one of 3x3 weights, stride 1, padding 1 and one group, in training on the CPU in
    fp32; the maps it gives are channels last.
    """
    if not _pays(maps, layer):
        return [layer(one) for one in maps]
    found: tuple[Tensor, ...] = _Convolution.apply(layer.weight, layer.bias, *maps)
    return list(found)


def _pays(maps: Sequence[Tensor], layer: nn.Conv2d) -> bool:
    plain = (layer.kernel_size, layer.stride, layer.padding, layer.dilation, layer.groups) == (
        (3, 3), (1, 1), (1, 1), (1, 1), 1,
    )  # fmt: skip
    return (
        plain
        and layer.training
        and torch.is_grad_enabled()
        and not torch.is_autocast_enabled("cpu")
        and all(one.device.type == "cpu" and one.dtype == torch.float32 for one in maps)
        and min(layer.in_channels, layer.out_channels) >= LEAST_CHANNELS
        and sum(_Grid.of(one).tiles for one in maps) >= LEAST_TILES
    )


class _Convolution(torch.autograd.Function):
    """Weight, bias (or none) and maps to maps."""

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401 - torch's own
        weight: Tensor,
        bias: Tensor | None,
        *maps: Tensor,
    ) -> tuple[Tensor, ...]:
        ctx.save_for_backward(weight, *maps)
        ctx.biased = bias is not None
        products = torch.bmm(_input_points(maps), _weight_points(weight).transpose(1, 2))
        if bias is not None:
            products[_ONE] += bias
        tiles = _squared(_OUTPUT) @ products.flatten(1)
        grids = [_Grid.of(one) for one in maps]
        return tuple(_laid_out(part, grid) for part, grid in _parts(tiles, grids))

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        weight, *maps = ctx.saved_tensors
        grids = [_Grid.of(one) for one in maps]
        count, inputs = weight.shape[:2]
        products = _transposed(_OUTPUT, _cut(grad_outputs, grids)).view(POINTS, -1, count)
        grad_bias = products[_ONE].sum(0) if ctx.biased else None
        points = torch.bmm(products.transpose(1, 2), _input_points(maps))
        grad_weight = _transposed(_WEIGHT, points).view(3, 3, count, inputs).permute(2, 3, 0, 1)
        windows = _transposed(_INPUT, torch.bmm(products, _weight_points(weight)))
        grad_maps = [_summed(part, grid) for part, grid in _parts(windows, grids)]
        return grad_weight, grad_bias, *grad_maps


class _Grid(NamedTuple):
    """The tiles of a map: its images, height and width, and how many tiles these take."""

    images: int
    height: int
    width: int
    rows: int
    columns: int

    @classmethod
    def of(cls, image: Tensor) -> "_Grid":
        images, _, height, width = image.shape
        return cls(images, height, width, -(-height // TILE), -(-width // TILE))

    @property
    def tiles(self) -> int:
        """Of all images."""
        return self.images * self.rows * self.columns

    @property
    def below(self) -> int:
        """Rows of tiles that the map has not."""
        return TILE * self.rows - self.height

    @property
    def right(self) -> int:
        """Columns of tiles that the map has not."""
        return TILE * self.columns - self.width


def _squared(matrix: Sequence[Sequence[float]]) -> Tensor:
    """Return the matrix of both axes, made of that of one."""
    one = torch.tensor(matrix)
    return torch.kron(one, one)


def _transposed(matrix: Sequence[Sequence[float]], values: Tensor) -> Tensor:
    """Apply the transposed matrix of both axes to values [n, ...]."""
    return _squared(matrix).t() @ values.flatten(1)


def _weight_points(weight: Tensor) -> Tensor:
    """Map weights [O, I, 3, 3] to [POINTS, O, I]."""
    return (_squared(_WEIGHT) @ weight.permute(2, 3, 0, 1).reshape(9, -1)).view(
        POINTS, *weight.shape[:2]
    )


def _input_points(maps: Sequence[Tensor]) -> Tensor:
    """Map maps [B, C, H, W] to [POINTS, tiles of all, C]."""
    grids, channels = [_Grid.of(one) for one in maps], maps[0].shape[1]
    windows = maps[0].new_empty(POINTS, sum(grid.tiles for grid in grids) * channels)
    for (part, grid), one in zip(_parts(windows, grids), maps, strict=True):
        sides = 1, grid.right + 1, 1, grid.below + 1
        padded = F.pad(one.permute(0, 2, 3, 1), (0, 0, *sides))
        part.view(WINDOW, WINDOW, grid.images, grid.rows, grid.columns, channels).copy_(
            _windows(padded.contiguous(), grid, (0, 0), (WINDOW, WINDOW))
        )
    return (_squared(_INPUT) @ windows).view(POINTS, -1, channels)


def _windows(padded: Tensor, grid: _Grid, start: tuple[int, int], sides: tuple[int, int]) -> Tensor:
    """View [B, h, w, C] as [*sides, B, rows, columns, C]: a part of each window, from start on."""
    image, row, column, _ = padded.stride()
    return padded.as_strided(
        (*sides, grid.images, grid.rows, grid.columns, padded.shape[3]),
        (row, column, image, TILE * row, TILE * column, 1),
        start[0] * row + start[1] * column,
    )


def _parts(values: Tensor, grids: Sequence[_Grid]) -> list[tuple[Tensor, _Grid]]:
    """Split [n, tiles of all * C], or [n, tiles of all, C], into those of each map, flattened."""
    flat = values.flatten(1)
    channels = flat.shape[1] // sum(grid.tiles for grid in grids)
    parts = torch.split(flat, [grid.tiles * channels for grid in grids], dim=1)
    return list(zip(parts, grids, strict=True))


def _in_grid(part: Tensor, grid: _Grid, side: int) -> Tensor:
    """View [side * side, tiles * C] as [side, side, B, rows, columns, C]."""
    return part.view(side, side, grid.images, grid.rows, grid.columns, -1)


def _cells(last: Tensor, grid: _Grid) -> Tensor:
    """View [B, TILE * rows, TILE * columns, C] as [TILE, TILE, B, rows, columns, C]."""
    cells = last.view(grid.images, grid.rows, TILE, grid.columns, TILE, -1)
    return cells.permute(2, 4, 0, 1, 3, 5)


def _laid_out(part: Tensor, grid: _Grid) -> Tensor:
    """Map the outputs of tiles [TILE * TILE, tiles * C] to [B, C, H, W]."""
    tiles = _in_grid(part, grid, TILE)
    shape = grid.images, tiles.shape[-1], TILE * grid.rows, TILE * grid.columns
    whole = torch.empty(shape, memory_format=torch.channels_last)
    _cells(whole.permute(0, 2, 3, 1), grid).copy_(tiles)
    if whole.shape[2:] == (grid.height, grid.width):
        return whole
    # Not a view, so that an activation may work in place.
    return whole[:, :, : grid.height, : grid.width].clone(memory_format=torch.channels_last)


def _cut(maps: Sequence[Tensor], grids: Sequence[_Grid]) -> Tensor:
    """Map [B, C, H, W], of each map, to the tiles of all [TILE * TILE, tiles * C]."""
    size = sum(grid.tiles for grid in grids) * maps[0].shape[1]
    tiles = maps[0].new_empty(TILE * TILE, size)
    for (part, grid), one in zip(_parts(tiles, grids), maps, strict=True):
        last = one.permute(0, 2, 3, 1)
        if grid.right or grid.below:
            last = F.pad(last, (0, 0, 0, grid.right, 0, grid.below))
        _in_grid(part, grid, TILE).copy_(_cells(last, grid))
    return tiles


def _summed(part: Tensor, grid: _Grid) -> Tensor:
    """Add up windows [POINTS, tiles * C] where they overlap, to [B, C, H, W]."""
    windows = _in_grid(part, grid, WINDOW)
    height, width = TILE * grid.rows + 2, TILE * grid.columns + 2
    padded = part.new_zeros(grid.images, height, width, windows.shape[-1])
    # The first TILE rows of windows do not overlap, nor do the two others, and so with columns.
    for top, high in ((0, TILE), (TILE, 2)):
        for left, wide in ((0, TILE), (TILE, 2)):
            place = _windows(padded, grid, (top, left), (high, wide))
            place += windows[top : top + high, left : left + wide]
    return padded[:, 1 : 1 + grid.height, 1 : 1 + grid.width].permute(0, 3, 1, 2)
