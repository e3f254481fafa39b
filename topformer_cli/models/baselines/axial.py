"""Squeeze-enhanced axial attention (SeaFormer, Wan et al., ICLR 2023), written from its code.

fudan-zvg/SeaFormer, seaformer-seg/mmseg/models/backbones/seaformer.py. Shapes: B images,
C channels, H x W positions, N of a side.
"""

from collections.abc import Callable
from typing import Final

import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch import Tensor, nn

from topformer_cli.models.blocks import ConvBN, DropPath, FeedForward

PLACES: Final = 16
"""A side of the map that the codes of position were learnt for; others stretch them."""

VALUES: Final = 2
"""Channels of a value for one of a key."""


class Positions(nn.Module):
    """Codes of the places along one side, stretched linearly to as many as there are."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.codes = nn.Parameter(torch.randn(1, channels, PLACES))

    def forward(self, x: Tensor) -> Tensor:
        """Add the codes to [B, C, N]."""
        return x + F.interpolate(self.codes, x.shape[2], mode="linear", align_corners=False)


class SideAttention(nn.Module):
    """Attention among the rows, or the columns, of a map squeezed to their means.

    The attention map is held transposed, softmax(K^T Q) over the keys, as TopFormer's is here.
    """

    def __init__(self, heads: int, key_dim: int, *, over: int) -> None:
        super().__init__()
        self.heads, self.over, self.scale = heads, over, key_dim**-0.5
        self.query, self.key = Positions(heads * key_dim), Positions(heads * key_dim)
        self.encode = ConvBN(VALUES * heads * key_dim, VALUES * heads * key_dim)
        nn.init.zeros_(self.encode.bn.weight)

    def forward(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Map three [B, C, H, W] to the values' [B, C, H, 1] or, `over` the rows, [B, C, 1, W]."""
        batch, channels, *_ = value.shape
        query, key = self.query(query.mean(self.over)), self.key(key.mean(self.over))
        heads = (batch, self.heads, -1, query.shape[2])
        product = torch.matmul(key.reshape(heads).transpose(2, 3), query.reshape(heads))
        attention = (product * self.scale).softmax(dim=2)
        mixed = torch.matmul(value.mean(self.over).reshape(heads), attention)
        side = (batch, channels, -1, 1) if self.over == 3 else (batch, channels, 1, -1)
        return self.encode(F.relu6(mixed.reshape(side)))


class SqueezeAxialAttention(nn.Module):
    """Attention along both sides of a map, which gates the detail of a depthwise convolution."""

    def __init__(self, channels: int, heads: int, key_dim: int) -> None:
        super().__init__()
        keys, values = heads * key_dim, VALUES * heads * key_dim
        self.query, self.key = ConvBN(channels, keys), ConvBN(channels, keys)
        self.value = ConvBN(channels, values)
        self.rows = SideAttention(heads, key_dim, over=3)
        self.columns = SideAttention(heads, key_dim, over=2)
        self.project = ConvBN(values, channels)
        nn.init.zeros_(self.project.bn.weight)
        self.depthwise = ConvBN(2 * keys + values, 2 * keys + values, 3, groups=2 * keys + values)
        self.detail = ConvBN(2 * keys + values, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Exchange information among the positions of [B, C, H, W]."""
        query, key, value = self.query(x), self.key(x), self.value(x)
        together = torch.cat([query, key, value], dim=1)
        detail = self.detail(F.relu6(self.depthwise(together)))
        mixed = value + self.rows(query, key, value) + self.columns(query, key, value)
        return F.hardsigmoid(self.project(F.relu6(mixed))) * detail


class AxialBlock(nn.Module):
    """Attention along the sides and feed-forward network, each added to its input."""

    def __init__(self, attention: nn.Module, channels: int, ratio: int, drop_path: float) -> None:
        super().__init__()
        self.attention = attention
        self.feed_forward = FeedForward(channels, ratio)
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, C, H, W] to the same shape."""
        x = x + self.drop_path(self.attention(x))
        return x + self.drop_path(self.feed_forward(x))


def axial_blocks(
    attention: Callable[[], nn.Module], channels: int, ratio: int, rates: list[float]
) -> nn.Sequential:
    """Build a block for each drop-path rate, with an attention of its own each."""
    return nn.Sequential(*(AxialBlock(attention(), channels, ratio, rate) for rate in rates))
