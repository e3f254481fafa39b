"""SegFormer (Xie et al., NeurIPS 2021) in small, after the paper: what the exporters make of it.

Overlapped patches, attention over keys and values at a reduced resolution, a feed-forward layer
with a depthwise convolution and an exact GELU, and the head of linear layers.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional


class Attention(nn.Module):
    """Attention of all positions to those of a map that is smaller by a ratio."""

    def __init__(self, width: int, heads: int, ratio: int) -> None:
        super().__init__()
        self.heads, self.ratio = heads, ratio
        self.query, self.pair = nn.Linear(width, width), nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)
        if ratio > 1:
            self.reduce = nn.Conv2d(width, width, ratio, ratio)
            self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor, height: int, width: int) -> Tensor:
        """Map [B, H W, C] to the same."""
        batch, length, channels = x.shape
        query = self._split(self.query(x))
        source = x
        if self.ratio > 1:
            image = x.transpose(1, 2).reshape(batch, channels, height, width)
            source = self.norm(self.reduce(image).flatten(2).transpose(1, 2))
        key, value = (self._split(part) for part in self.pair(source).chunk(2, dim=-1))
        scores = (query @ key.transpose(-2, -1)) * (channels // self.heads) ** -0.5
        mixed = (scores.softmax(-1) @ value).transpose(1, 2).reshape(batch, length, channels)
        return self.out(mixed)

    def _split(self, x: Tensor) -> Tensor:
        batch, length, channels = x.shape
        return x.reshape(batch, length, self.heads, channels // self.heads).transpose(1, 2)


class Block(nn.Module):
    """Attention and the feed-forward layer, each after a layer normalisation."""

    def __init__(self, width: int, heads: int, ratio: int) -> None:
        super().__init__()
        self.norm1, self.attention = nn.LayerNorm(width, 1e-6), Attention(width, heads, ratio)
        self.norm2, self.grow = nn.LayerNorm(width, 1e-6), nn.Linear(width, 4 * width)
        self.mix = nn.Conv2d(4 * width, 4 * width, 3, 1, 1, groups=4 * width)
        self.shrink = nn.Linear(4 * width, width)

    def forward(self, x: Tensor, height: int, width: int) -> Tensor:
        """Map [B, H W, C] to the same."""
        x = x + self.attention(self.norm1(x), height, width)
        grown = self.grow(self.norm2(x))
        image = grown.transpose(1, 2).reshape(x.shape[0], -1, height, width)
        mixed = functional.gelu(self.mix(image).flatten(2).transpose(1, 2))
        return x + self.shrink(mixed)


class Stage(nn.Module):
    """Overlapped patches and their blocks."""

    def __init__(self, channels: int, width: int, stride: int, shape: Sequence[int]) -> None:
        super().__init__()
        depth, heads, ratio = shape
        size = 2 * stride - 1
        self.patches = nn.Conv2d(channels, width, size, stride, size // 2)
        self.norm = nn.LayerNorm(width)
        self.blocks = nn.ModuleList(Block(width, heads, ratio) for _ in range(depth))
        self.last = nn.LayerNorm(width, 1e-6)

    def forward(self, image: Tensor) -> Tensor:
        """Map [B, C, H, W] to [B, width, H / stride, W / stride]."""
        patches = self.patches(image)
        batch, channels, height, width = patches.shape
        x = self.norm(patches.flatten(2).transpose(1, 2))
        for block in self.blocks:
            x = block(x, height, width)
        return self.last(x).transpose(1, 2).reshape(batch, channels, height, width)


class SegFormer(nn.Module):
    """Four stages and the head; depth 2 with the widths 32, 64, 160, 256 is B0."""

    def __init__(self, classes: int = 150, depth: int = 2, head: int = 256) -> None:
        super().__init__()
        widths, heads, ratios = (32, 64, 160, 256), (1, 2, 5, 8), (8, 4, 2, 1)
        self.stages = nn.ModuleList(
            Stage(before, width, 4 if place == 0 else 2, (depth, heads[place], ratios[place]))
            for place, (before, width) in enumerate(zip((3, *widths), widths, strict=False))
        )
        self.linear = nn.ModuleList(nn.Linear(width, head) for width in widths)
        self.fuse, self.norm = nn.Conv2d(4 * head, head, 1, bias=False), nn.BatchNorm2d(head)
        self.classes = nn.Conv2d(head, classes, 1)

    def forward(self, image: Tensor) -> Tensor:
        """Map [B, 3, H, W] to the logits [B, classes, H / 4, W / 4]."""
        maps: list[Tensor] = []
        x = image
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        size = maps[0].shape[2:]
        parts = [
            functional.interpolate(self._project(layer, x), size, mode="bilinear")
            for layer, x in zip(self.linear, maps, strict=True)
        ]
        fused = self.norm(self.fuse(torch.cat(parts[::-1], dim=1))).relu()
        logits: Tensor = self.classes(fused)
        return logits

    @staticmethod
    def _project(layer: nn.Module, x: Tensor) -> Tensor:
        projected: Tensor = layer(x.flatten(2).transpose(1, 2))
        return projected.transpose(1, 2).reshape(x.shape[0], -1, *x.shape[2:])
