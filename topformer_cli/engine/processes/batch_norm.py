"""Batch normalisation over the images of all processes.

torch's SyncBatchNorm does it on CUDA and refuses the CPU; `SharedBatchNorm` is for that. Its sums
run over all processes, each with as many images as it has:

    N = sum n,  m = sum n mean / N,  v = sum n (var + mean^2) / N - m^2
    y = w z + b,  z = (x - m) / sqrt(v + eps)
    dL/dx = w / sqrt(v + eps) * (g - sum g / N - z sum (g z) / N)
"""

from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from topformer_cli.engine.processes.world import exchange

Network = TypeVar("Network", bound=nn.Module)


def share_statistics(network: Network, device: torch.device) -> Network:
    """Let every batch normalisation of a network go over all processes; weights stay as they are.

    The state dict keeps its names.
    """
    if device.type == "cuda":
        return nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
    for module in list(network.modules()):
        for name, child in module.named_children():
            if isinstance(child, _BatchNorm):
                setattr(module, name, SharedBatchNorm.like(child))
    return network


class SharedBatchNorm(_BatchNorm):
    """Batch normalisation whose moments are those of the batches of all processes together."""

    @classmethod
    def like(cls, other: _BatchNorm) -> "SharedBatchNorm":
        """Return one that holds the same parameters and statistics as another."""
        made = cls(other.num_features, other.eps, other.momentum)
        made.weight, made.bias = other.weight, other.bias
        made.running_mean, made.running_var = other.running_mean, other.running_var
        made.num_batches_tracked = other.num_batches_tracked
        return made.train(other.training)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise [B, C, ...]; in evaluation by the running statistics, without a message."""
        if not self.training:
            return super().forward(x)
        y, mean, variance, count = _Normalised.apply(x, self.weight, self.bias, self.eps)
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        with torch.no_grad():
            self.num_batches_tracked.add_(1)
            rate = 1 / self.num_batches_tracked if self.momentum is None else self.momentum
            unbiased = variance * (count / (count - 1).clamp(min=1))
            for running, new in ((self.running_mean, mean), (self.running_var, unbiased)):
                running.mul_(1 - rate).add_((rate * new).to(running.dtype))
        return y

    def _check_input_dim(self, input: Tensor) -> None:
        """Take whatever has channels."""


class _Normalised(torch.autograd.Function):
    """Output, mean [C], variance [C] and count []; the last three in float64, without gradient."""

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401
        x: Tensor,
        weight: Tensor,
        bias: Tensor,
        eps: float,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        wide = x if x.dtype in (torch.float32, torch.float64) else x.float()
        own, spread = (one.double() for one in _moments(wide))
        count = x.new_full((1,), x.numel() // x.shape[1], dtype=torch.float64)
        first, second, total = _summed(own * count, (spread + own**2) * count, count)
        mean = first / total
        variance = (second / total - mean**2).clamp(min=0)
        scale = (variance + eps).rsqrt()
        z = (wide - _along(mean, wide)) * _along(scale, wide)
        ctx.save_for_backward(z, weight, scale, total)
        ctx.mark_non_differentiable(mean, variance, total)
        y = z * _along(weight, wide) + _along(bias, wide)
        return y.to(x.dtype), mean, variance, total[0]

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:  # noqa: ANN401
        z, weight, scale, total = ctx.saved_tensors
        gradient = grad_outputs[0]
        wide = gradient.to(z.dtype)
        axes = _all_but_channels(wide)
        of_bias, of_weight = wide.sum(axes), (wide * z).sum(axes)
        mean, slope = _summed(of_bias.double(), of_weight.double())
        mean, slope = mean / total, slope / total
        inner = wide - _along(mean, wide) - z * _along(slope, wide)
        of_x = inner * _along(weight.double() * scale, wide)
        return of_x.to(gradient.dtype), of_weight.to(weight.dtype), of_bias.to(weight.dtype), None


def _moments(x: Tensor) -> tuple[Tensor, Tensor]:
    variance, mean = torch.var_mean(x, _all_but_channels(x), correction=0)
    return mean, variance


def _summed(*values: Tensor) -> tuple[Tensor, ...]:
    """Add up vectors over all processes, in one message."""
    flat = torch.cat(values)
    with exchange():
        dist.all_reduce(flat)
    return torch.split(flat, [len(one) for one in values])


def _all_but_channels(x: Tensor) -> list[int]:
    return [axis for axis in range(x.dim()) if axis != 1]


def _along(values: Tensor, x: Tensor) -> Tensor:
    """Lay values [C] along the channels of x."""
    return values.to(x.dtype).view(1, -1, *[1] * (x.dim() - 2))
