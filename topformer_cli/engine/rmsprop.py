"""RMSprop as TensorFlow computes it, which torch.optim.RMSprop does not.

    square = alpha * square + (1 - alpha) * gradient^2                square begins at 1, not at 0
    move   = momentum * move + rate * gradient / sqrt(square + eps)   eps inside of the root
    weight = weight - move

where weight_decay * weight belongs to the gradient. Networks of MobileNet's kind were trained with
it, with an eps as large as 1e-3 (the `rmsproptf` of timm, timm/optim/rmsprop_tf.py).
"""

from typing import Any, TypedDict

import torch
from torch import Tensor


class Settings(TypedDict):
    """The settings that all groups share, unless one brings its own."""

    alpha: float
    momentum: float
    eps: float
    weight_decay: float


class RMSprop(torch.optim.Optimizer):
    """TensorFlow's RMSprop with momentum, on groups whose `lr` is a scalar tensor.

    As torch's fused optimizers do, it skips a step by itself where GradScaler found a gradient that
    is not finite, without asking the host, so that a CUDA graph can hold it.
    """

    _step_supports_amp_scaling = True

    def __init__(self, groups: list[dict[str, Any]], settings: Settings) -> None:
        super().__init__(groups, dict(settings))
        # From the start, since torch saves and reads back what there is.
        for weight in (weight for group in self.param_groups for weight in group["params"]):
            state = {"square": torch.ones_like(weight), "move": torch.zeros_like(weight)}
            self.state[weight] = state

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]  # noqa: ARG002
        """Move all weights that have a gradient."""
        for group in self.param_groups:
            if weights := [weight for weight in group["params"] if weight.grad is not None]:
                self._move(weights, group)

    def _move(self, weights: list[Tensor], group: dict[str, Any]) -> None:
        squares, moves = ([self.state[one][key] for one in weights] for key in ("square", "move"))
        good = self._good(weights[0])
        gradients = _finite(weights, group["weight_decay"], good)
        # Where a step is skipped: square * 1 + 0, move * 1 + 0, weight - move * 0.
        newer = (1 - group["alpha"]) * good
        powers = torch._foreach_mul(gradients, gradients)
        torch._foreach_mul_(powers, newer)
        torch._foreach_mul_(squares, 1 - newer)
        torch._foreach_add_(squares, powers)
        roots = torch._foreach_add(squares, group["eps"])
        torch._foreach_sqrt_(roots)
        torch._foreach_div_(gradients, roots)
        torch._foreach_mul_(gradients, group["lr"])
        torch._foreach_mul_(moves, 1 - (1 - group["momentum"]) * good)
        torch._foreach_add_(moves, gradients)
        torch._foreach_sub_(weights, list(torch._foreach_mul(moves, good)))

    def _good(self, like: Tensor) -> Tensor:
        """Return 1 on the weights' device, or 0 where a step is skipped."""
        bad: Tensor | None = getattr(self, "found_inf", None)
        if bad is None:
            return torch.ones((), device=like.device)
        return (bad == 0).to(like.device, torch.float32)


def _finite(weights: list[Tensor], decay: float, good: Tensor) -> list[Tensor]:
    """Return gradients with the weights' decay in them, or zeros where good is 0."""
    gradients = [weight.grad for weight in weights if weight.grad is not None]
    if decay:
        gradients = list(torch._foreach_add(gradients, weights, alpha=decay))
    zero = torch.zeros_like(good)
    return [torch.where(good > 0, gradient, zero) for gradient in gradients]
