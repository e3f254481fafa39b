"""Cards and networks that the tests of the models share."""

from collections.abc import Callable
from typing import TypeVar

import pytest
import torch
from torch import nn

from topformer_cli.models.build import build_model
from topformer_cli.models.spec import SIZES, Fuse, ModelSpec, SizeName
from topformer_cli.models.topformer import TopFormer

MakeNetwork = Callable[..., TopFormer]
LIBRARIES = {"hrnet-w18-small": "timm", "mit-b0": "transformers"}
"""Encoder -> the library of the extra that it is of."""
Network = TypeVar("Network", bound=nn.Module)


def make_spec(size: SizeName = "tiny", classes: int = 5, fuse: Fuse | None = None) -> ModelSpec:
    """A card with so many classes, in the released form of its size."""
    return ModelSpec(
        size=size,
        fuse=fuse or SIZES[size].fuse,
        classes=tuple(f"class {index}" for index in range(classes)),
        palette=tuple((index, 0, 255 - index) for index in range(classes)),
        input_size=(64, 96),
        dataset="mine",
        data_terms="made up",
    )


def make_lively(network: Network) -> Network:
    """Give every batch normalisation statistics and weights of its own, as training would."""
    generator = torch.Generator().manual_seed(7)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor, low, high in (
                (module.weight.data, 0.6, 1.4),
                (module.bias.data, -0.3, 0.3),
                (module.running_mean, -0.3, 0.3),
                (module.running_var, 0.5, 1.5),
            ):
                assert tensor is not None
                tensor.uniform_(low, high, generator=generator)
    return network


@pytest.fixture
def lively() -> MakeNetwork:
    """Build a network in evaluation mode whose parts all take part."""

    def make(size: SizeName = "tiny", classes: int = 5, fuse: Fuse | None = None) -> TopFormer:
        torch.manual_seed(1)
        network = build_model(make_spec(size, classes, fuse))
        assert isinstance(network, TopFormer)
        return make_lively(network).eval()

    return make
