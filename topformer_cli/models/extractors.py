"""What may stand as the semantics extractor (Table 4); a new one is one line in EXTRACTORS."""

from collections.abc import Callable, Mapping
from typing import Final

import torch
from torch import nn

from topformer_cli.models.blocks import FeedForwardBlock, TransformerBlock
from topformer_cli.models.context import AtrousPooling, PyramidPooling
from topformer_cli.models.design import Extractor
from topformer_cli.models.spec import BLOCKS, Size

LONE_FFNS: Final = 6
"""As many feed-forward networks without attention have the parameters that four blocks have; the
paper says only that there are more of them."""


def _rates(drop_path: float, count: int) -> list[float]:
    found: list[float] = torch.linspace(0, drop_path, count, device="cpu").tolist()
    return found


def _transformer(size: Size, drop_path: float) -> nn.Module:
    channels = sum(size.token_channels)
    return nn.Sequential(
        *(TransformerBlock(channels, size.heads, rate) for rate in _rates(drop_path, BLOCKS))
    )


def _feed_forward(size: Size, drop_path: float) -> nn.Module:
    channels = sum(size.token_channels)
    rates = _rates(drop_path, LONE_FFNS)
    return nn.Sequential(*(FeedForwardBlock(channels, rate) for rate in rates))


def _pyramid_pooling(size: Size, drop_path: float) -> nn.Module:  # noqa: ARG001 - no branches
    return PyramidPooling(sum(size.token_channels))


def _atrous_pooling(size: Size, drop_path: float) -> nn.Module:  # noqa: ARG001 - no branches
    return AtrousPooling(sum(size.token_channels))


def _nothing(size: Size, drop_path: float) -> nn.Module:  # noqa: ARG001
    return nn.Identity()


EXTRACTORS: Final[Mapping[Extractor, Callable[[Size, float], nn.Module]]] = {
    "sase": _transformer,
    "none": _nothing,
    "ffn": _feed_forward,
    "psp": _pyramid_pooling,
    "aspp": _atrous_pooling,
}
"""Name -> the function that builds it from size and drop-path rate."""
