"""Networks with random weights whose outputs say something."""

from typing import TypeVar

import torch
from torch import nn

from topformer_cli.models.blocks import Attention

Network = TypeVar("Network", bound=nn.Module)


def well_conditioned(network: Network, side: int = 128) -> Network:
    """Random statistics with which attention, which is unscaled, does not turn chaotic."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.8, 1.2)
            nn.init.uniform_(module.bias, -0.3, 0.3)
            module.momentum = None
    with torch.no_grad():
        network.train()(torch.randn(2, 3, side, side))
        for module in network.modules():
            if isinstance(module, Attention):
                for norm in (module.query.bn, module.key.bn):
                    norm.weight.mul_(0.2)
                    norm.bias.mul_(0.2)
    return network.eval()
