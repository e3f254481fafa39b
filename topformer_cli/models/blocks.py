"""The parts TopFormer is made of (paper sections 3.1 to 3.3).

Shapes: B images, C channels, H x W positions, N = H * W tokens, h heads.
"""

from collections.abc import Collection

import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch import Tensor, nn

from topformer_cli.models import bilinear
from topformer_cli.models.design import Injection
from topformer_cli.models.spec import FFN_RATIO, KEY_DIM, VALUE_RATIO, Bottleneck


class Depthwise(nn.Conv2d):
    """A convolution of channels apart from each other, in fp32 where the CPU trains in half.

    Its gradient in bf16 takes the CPU three to ten times as long, casts included; and it has so few
    multiplications that half precision saves none of their time.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, C, H, W] to [B, C, H / stride, W / stride]."""
        if x.device.type != "cpu" or not (self.training and torch.is_autocast_enabled("cpu")):
            return super().forward(x)
        with torch.autocast("cpu", enabled=False):
            found = super().forward(x.float())
        return found.to(torch.get_autocast_dtype("cpu"))


class ConvBN(nn.Sequential):
    """A convolution without bias and its batch normalisation."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel: int = 1, stride: int = 1, groups: int = 1
    ) -> None:
        super().__init__()
        kind = nn.Conv2d if groups == 1 else Depthwise
        self.conv = kind(
            in_channels, out_channels, kernel, stride, kernel // 2, groups=groups, bias=False
        )
        self.bn = nn.BatchNorm2d(out_channels)


class InvertedBottleneck(nn.Module):
    """MobileNetV2's inverted residual, with ReLU as in the authors' code (the text: ReLU6)."""

    def __init__(self, in_channels: int, row: Bottleneck) -> None:
        super().__init__()
        hidden = in_channels * row.expand
        self.expand = ConvBN(in_channels, hidden) if row.expand != 1 else nn.Identity()
        self.depthwise = ConvBN(hidden, hidden, kernel=row.kernel, stride=row.stride, groups=hidden)
        self.project = ConvBN(hidden, row.channels)
        self.residual = row.stride == 1 and in_channels == row.channels

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, C, H, W] to [B, C', H / stride, W / stride]."""
        y = x if isinstance(self.expand, nn.Identity) else F.relu(self.expand(x), inplace=True)
        y = self.project(F.relu(self.depthwise(y), inplace=True))
        return x + y if self.residual else y


class DropPath(nn.Module):
    """Drop a residual branch for whole samples during training (stochastic depth)."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        """Keep each sample with probability 1 - rate, scaled to keep the expectation."""
        if not self.training or self.rate == 0:
            return x
        keep = 1 - self.rate
        mask = x.new_empty((x.shape[0], 1, 1, 1)).bernoulli_(keep)
        return x * mask / keep


class Attention(nn.Module):
    """Multi-head self-attention on 1x1 convolutions (section 3.2).

    The attention map is held transposed, softmax(K^T Q) over the keys, so that only K needs a
    permutation. The authors' code computes a scale 1/sqrt(D) and never uses it: neither do we.
    """

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = ConvBN(channels, heads * KEY_DIM)
        self.key = ConvBN(channels, heads * KEY_DIM)
        self.value = ConvBN(channels, heads * KEY_DIM * VALUE_RATIO)
        self.project = ConvBN(heads * KEY_DIM * VALUE_RATIO, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Exchange information among the positions of [B, C, H, W]."""
        batch, _, height, width = x.shape
        tokens = (batch, self.heads, -1, height * width)
        query, key, value = (
            branch(x).reshape(tokens) for branch in (self.query, self.key, self.value)
        )
        attention = torch.matmul(key.transpose(2, 3), query).softmax(dim=2)
        mixed = torch.matmul(value, attention).reshape(batch, -1, height, width)
        return self.project(F.relu6(mixed))


class FeedForward(nn.Module):
    """Two 1x1 convolutions around a 3x3 depthwise one with bias and no batch normalisation."""

    def __init__(self, channels: int, ratio: int = FFN_RATIO) -> None:
        super().__init__()
        hidden = channels * ratio
        self.expand = ConvBN(channels, hidden)
        self.depthwise = Depthwise(hidden, hidden, 3, padding=1, groups=hidden)
        self.project = ConvBN(hidden, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Mix the channels of [B, C, H, W] and their 3x3 neighbourhood."""
        return self.project(F.relu6(self.depthwise(self.expand(x)), inplace=True))


class TransformerBlock(nn.Module):
    """Attention and feed-forward network, each added to its input."""

    def __init__(self, channels: int, heads: int, drop_path: float) -> None:
        super().__init__()
        self.attention = Attention(channels, heads)
        self.feed_forward = FeedForward(channels)
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, C, H, W] to the same shape."""
        x = x + self.drop_path(self.attention(x))
        return x + self.drop_path(self.feed_forward(x))


class FeedForwardBlock(nn.Module):
    """A transformer block without its attention (Table 4)."""

    def __init__(self, channels: int, drop_path: float) -> None:
        super().__init__()
        self.feed_forward = FeedForward(channels)
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, C, H, W] to the same shape."""
        return x + self.drop_path(self.feed_forward(x))


class SemanticsInjection(nn.Module):
    """Inject global semantics into the local tokens of one scale (section 3.3, Figure 2).

    out = local * up(hard_sigmoid(attention)) + up(semantics), or without one of the two (Table 5)
    or both (Table 4); the gate is formed before the bilinear upsampling, as in the authors' code.
    """

    def __init__(self, channels: int, width: int, injects: Collection[Injection]) -> None:
        super().__init__()
        self.local_embedding = ConvBN(channels, width)
        self.global_embedding = ConvBN(channels, width) if "semantics" in injects else None
        self.global_attention = ConvBN(channels, width) if "attention" in injects else None

    def forward(self, tokens: Tensor, semantics: Tensor | None) -> Tensor:
        """Map tokens [B, C, H, W] and semantics [B, C, H', W'] to [B, M, H, W]."""
        found: Tensor = self.local_embedding(tokens)
        if semantics is None:
            return found
        if self.global_attention is not None:
            gate = upsample(F.hardsigmoid(self.global_attention(semantics)), tokens)
            found = found * gate
        if self.global_embedding is not None:
            found = found + upsample(self.global_embedding(semantics), tokens)
        return found


def upsample(x: Tensor, like: Tensor) -> Tensor:
    """Resize bilinearly (align_corners false) to the height and width of another map."""
    if x.is_cuda and torch.is_grad_enabled():
        return bilinear.resize(x, (like.shape[2], like.shape[3]))
    return F.interpolate(x, size=like.shape[2:], mode="bilinear", align_corners=False)
