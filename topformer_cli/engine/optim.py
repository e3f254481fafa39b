"""Optimizers, and the schedule as a pure function of the step."""

from collections.abc import Mapping
from typing import Any, Final

import torch
from torch import Tensor, nn

from topformer_cli.engine.rmsprop import RMSprop
from topformer_cli.sections.record import (
    AdamWOrSGDSection,
    AdamWSection,
    AdaptiveSection,
    MomentumSection,
    OptimizerSection,
    ScheduleSection,
)

CODES: Final = "codes"
"""What codes of position are called in all networks that have any."""

MOST_RATES: Final = 1000
"""Points of a schedule that is drawn."""


def build_optimizer(network: nn.Module, settings: OptimizerSection) -> torch.optim.Optimizer:
    """Build the optimizer of a recipe's section, for a network that lies on its device.

    It skips a step by itself where a gradient is not finite, without asking the host.

    Weight decay reaches biases and batch normalisation too, as in the authors' runs, whose
    exemption by name matches no parameter; unless a recipe says otherwise.
    """
    match settings:
        case AdaptiveSection(kind="rmsprop"):
            return _rmsprop(network, settings)
        case AdaptiveSection():
            return _adamw(network, settings, settings.eps)
        case AdamWOrSGDSection(kind="sgd"):
            return _sgd(network, _groups(network, settings), settings.momentum)
        case AdamWSection():
            return _adamw(network, settings)
        case MomentumSection(kind="sgd"):
            return _sgd(network, [_everything(network, settings)], settings.momentum)
        case MomentumSection():
            return _adamw_with_momentum(network, settings)
        case _:
            message = f"no optimizer for {type(settings).__name__}"
            raise TypeError(message)


def _groups(network: nn.Module, settings: AdamWSection) -> list[dict[str, Any]]:
    """Group parameters: the head after everything else, and after each what is not to decay."""
    spared = _not_decayed(network, settings)
    kinds: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        kind = name.startswith("head."), name in spared
        kinds.setdefault(kind, []).append(parameter)
    return [
        {
            "params": kinds[head, spared],
            "lr": _rate(network),
            "lr_factor": settings.head_lr_factor if head else 1.0,
            "weight_decay": 0.0 if spared else settings.weight_decay,
        }
        for head, spared in sorted(kinds)
    ]


def _not_decayed(network: nn.Module, settings: AdamWSection) -> set[str]:
    """Return the names of the parameters whose decay a section spares."""
    if settings.decayed == "weights":
        return {name for name, one in network.named_parameters() if one.ndim <= 1}
    if settings.decayed == "but_norm_and_position":
        norms = [pair for pair in network.named_modules() if isinstance(pair[1], nn.LayerNorm)]
        found = {f"{place}.{name}" for place, one in norms for name, _ in one.named_parameters()}
        names = [name for name, _ in network.named_parameters()]
        return found | {name for name in names if name.endswith(f".{CODES}")}
    return set()


def _everything(network: nn.Module, settings: MomentumSection) -> dict[str, Any]:
    """Group all parameters."""
    return {
        "params": list(network.parameters()),
        "lr": _rate(network),
        "lr_factor": 1.0,
        "weight_decay": settings.weight_decay,
    }


def _adamw(network: nn.Module, settings: AdamWSection, eps: float = 1e-8) -> torch.optim.AdamW:
    return torch.optim.AdamW(
        _groups(network, settings),
        betas=settings.betas,
        eps=eps,
        capturable=_on_cuda(network),
        fused=True,
    )


def _rmsprop(network: nn.Module, settings: AdaptiveSection) -> RMSprop:
    momentum, alpha = settings.betas
    return RMSprop(
        _groups(network, settings),
        {
            "alpha": alpha,
            "momentum": momentum,
            "eps": settings.eps,
            "weight_decay": settings.weight_decay,
        },
    )


def _sgd(
    network: nn.Module, groups: list[dict[str, Any]], momentum: float
) -> torch.optim.Optimizer:
    sgd = torch.optim.SGD(groups, momentum=momentum, fused=True)
    # Of a skipped first step torch would keep a momentum that was never written.
    for parameter in network.parameters():
        sgd.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
    return sgd


def _adamw_with_momentum(network: nn.Module, settings: MomentumSection) -> torch.optim.AdamW:
    return torch.optim.AdamW(
        [_everything(network, settings)],
        betas=(settings.momentum, 0.999),
        capturable=_on_cuda(network),
        fused=True,
    )


def _rate(network: nn.Module) -> Tensor:
    """Return a place for the rate on the device, which a recorded CUDA graph reads anew."""
    return torch.zeros((), device=next(network.parameters()).device)


def load_optimizer(optimizer: torch.optim.Optimizer, saved: Mapping[str, Any]) -> None:
    """Take over the saved state of an optimizer, but not its settings, which are the recipe's.

    The place of the rate stays on the device with them: torch would put the saved tensor there as
    it was read, on the CPU, whose value a CUDA graph records once and for all.

    Raises:
        ValueError: it has other groups.
    """
    own = optimizer.state_dict()["param_groups"]
    groups = [
        {**mine, "params": theirs["params"]}
        for mine, theirs in zip(own, saved["param_groups"], strict=True)
    ]
    optimizer.load_state_dict({"state": saved["state"], "param_groups": groups})


def _on_cuda(network: nn.Module) -> bool:
    return next(network.parameters()).is_cuda


def set_learning_rate(
    optimizer: torch.optim.Optimizer, base_lr: float, schedule: ScheduleSection, step: int
) -> float:
    """Set every group's rate for a step (0-based) and return the base rate."""
    rate = base_lr * learning_rate_factor(schedule, step)
    for group in optimizer.param_groups:
        group["lr"].fill_(rate * group["lr_factor"])
    return rate


def learning_rate_factor(schedule: ScheduleSection, step: int) -> float:
    """Return the share of the base rate at a step: the schedule's decay times linear warm-up.

    The warm-up rises from warmup_ratio to 1 while the decay already runs (mmcv's policies).
    """
    decay = schedule.decay(step)
    if step >= schedule.warmup:
        return decay
    missing = (1 - step / schedule.warmup) * (1 - schedule.warmup_ratio)
    return decay * (1 - missing)


def scheduled_rates(base_lr: float, schedule: ScheduleSection) -> tuple[tuple[int, float], ...]:
    """Return the rate at up to MOST_RATES steps of the whole training, as a curve to draw."""
    stride = max(1, -(-schedule.iterations // MOST_RATES))
    steps = range(0, schedule.iterations, stride)
    return tuple((step, base_lr * learning_rate_factor(schedule, step)) for step in steps)
