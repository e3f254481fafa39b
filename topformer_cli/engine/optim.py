"""Optimizers, and the schedule as a pure function of the step."""

import torch
from torch import nn

from topformer_cli.sections.record import (
    AdamWSection,
    MomentumSection,
    OptimizerSection,
    ScheduleSection,
)


def build_optimizer(network: nn.Module, settings: OptimizerSection) -> torch.optim.Optimizer:
    """Build the optimizer of a recipe's section.

    Weight decay reaches biases and batch normalisation too, as in the authors' runs, whose
    exemption by name matches no parameter.
    """
    match settings:
        case AdamWSection():
            return _adamw(network, settings)
        case MomentumSection():
            return _with_momentum(network, settings)
        case _:
            message = f"no optimizer for {type(settings).__name__}"
            raise TypeError(message)


def _adamw(network: nn.Module, settings: AdamWSection) -> torch.optim.AdamW:
    """Build AdamW with two parameter groups: the head, and everything else."""
    head: list[nn.Parameter] = []
    rest: list[nn.Parameter] = []
    for name, parameter in network.named_parameters():
        (head if name.startswith("head.") else rest).append(parameter)
    groups = [
        {"params": rest, "lr_factor": 1.0},
        {"params": head, "lr_factor": settings.head_lr_factor},
    ]
    return torch.optim.AdamW(
        groups, lr=settings.lr, betas=settings.betas, weight_decay=settings.weight_decay
    )


def _with_momentum(network: nn.Module, settings: MomentumSection) -> torch.optim.Optimizer:
    groups = [{"params": list(network.parameters()), "lr_factor": 1.0}]
    lr, momentum, decay = settings.lr, settings.momentum, settings.weight_decay
    if settings.kind == "sgd":
        return torch.optim.SGD(groups, lr, momentum, weight_decay=decay)
    return torch.optim.AdamW(groups, lr, (momentum, 0.999), weight_decay=decay)


def set_learning_rate(
    optimizer: torch.optim.Optimizer, base_lr: float, schedule: ScheduleSection, step: int
) -> float:
    """Set every group's rate for a step (0-based) and return the base rate."""
    rate = base_lr * learning_rate_factor(schedule, step)
    for group in optimizer.param_groups:
        group["lr"] = rate * group["lr_factor"]
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
