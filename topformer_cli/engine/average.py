"""The moving average of a network's weights (EMA)."""

import copy

import torch
from torch import Tensor, nn


class MovingAverage:
    """A second network that follows the trained one: average = decay * average + rest * weights.

    The decay rises from 0.1 with the number of steps, (1 + step) / (10 + step), up to the given
    one, so that the first weights are soon forgotten. Integer buffers are copied.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.network = copy.deepcopy(network).requires_grad_(requires_grad=False)
        self._decay = decay
        self._pairs = list(_float_pairs(self.network, network))
        self._others = [
            (own, other)
            for own, other in zip(self.network.buffers(), network.buffers(), strict=True)
            if not own.is_floating_point()
        ]

    @torch.no_grad()
    def update(self, step: Tensor) -> None:
        """Take in the weights after a step (0-based)."""
        decay = ((1 + step) / (10 + step)).clamp(max=self._decay)
        average = [own for own, _ in self._pairs]
        # Not lerp: that would wait for the device to hand out the decay as a number.
        torch._foreach_mul_(average, decay)
        newer = torch._foreach_mul([other.detach() for _, other in self._pairs], 1 - decay)
        torch._foreach_add_(average, newer)
        for own, other in self._others:
            own.copy_(other)


def _float_pairs(average: nn.Module, network: nn.Module) -> list[tuple[Tensor, Tensor]]:
    own = [*average.parameters(), *average.buffers()]
    others = [*network.parameters(), *network.buffers()]
    return [(one, other) for one, other in zip(own, others, strict=True) if one.is_floating_point()]
