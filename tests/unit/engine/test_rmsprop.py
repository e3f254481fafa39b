"""RMSprop is TensorFlow's: held against a plain restatement, skipped, saved and read back."""

import io
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from topformer_cli.engine.optim import build_optimizer, load_optimizer, set_learning_rate
from topformer_cli.sections.record import AdaptiveSection, PolySection

SETTINGS = AdaptiveSection(
    kind="rmsprop", lr=0.1, weight_decay=0.02, betas=(0.9, 0.8), eps=1e-3, decayed="weights",
    head_lr_factor=10.0,
)  # fmt: skip
CONSTANT = PolySection(iterations=1_000_000_000, warmup=0, warmup_ratio=0.0, power=1e-9)

Net = Callable[[], nn.Module]


@pytest.fixture
def net() -> Net:
    """Make the same small network each time, channels last as in training."""

    def make() -> nn.Module:
        torch.manual_seed(0)
        layers = {"body": nn.Conv2d(3, 4, 3), "norm": nn.BatchNorm2d(4), "head": nn.Linear(4, 2)}
        return nn.ModuleDict(layers).to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]

    return make


def gradient(weight: Tensor, number: int) -> Tensor:
    return torch.sin(torch.arange(weight.numel()) + number).view(weight.shape)


def step(optimizer: torch.optim.Optimizer, network: nn.Module, number: int) -> None:
    set_learning_rate(optimizer, SETTINGS.lr, CONSTANT, number)
    for weight in network.parameters():
        weight.grad = gradient(weight, number)
    optimizer.step()


def restated(weight: Tensor, steps: int, rate: float, decay: float) -> Tensor:
    """RMSprop as TensorFlow's documentation has it."""
    value = weight.double()
    square, move = torch.ones_like(value), torch.zeros_like(value)
    for number in range(steps):
        slope = gradient(weight, number).double() + decay * value
        square = 0.8 * square + 0.2 * slope**2
        move = 0.9 * move + rate * slope / (square + 1e-3).sqrt()
        value = value - move
    return value.float()


def test_it_moves_as_tensorflow_says(net: Net) -> None:
    network, before = net(), net()
    optimizer = build_optimizer(network, SETTINGS)
    for number in range(5):
        step(optimizer, network, number)
    old = dict(before.named_parameters())
    for name, weight in network.named_parameters():
        rate = 1.0 if name.startswith("head.") else 0.1
        decay = 0.02 if weight.ndim > 1 else 0.0
        expected = restated(old[name].detach(), 5, rate, decay)
        torch.testing.assert_close(weight.detach(), expected, rtol=1e-5, atol=1e-6)


def test_torchs_own_is_another_one(net: Net) -> None:
    network, other = net(), net()
    step(build_optimizer(network, SETTINGS), network, 1)
    theirs = torch.optim.RMSprop(other.parameters(), 0.1, alpha=0.8, eps=1e-3, momentum=0.9)
    step_of_theirs = dict(other.named_parameters())
    for weight in other.parameters():
        weight.grad = gradient(weight, 1)
    theirs.step()
    first = dict(network.named_parameters())["body.bias"]
    assert not torch.allclose(first, step_of_theirs["body.bias"], rtol=0.1)


def test_what_does_not_decay_are_biases_and_batch_normalisation(net: Net) -> None:
    network = net()
    groups = build_optimizer(network, SETTINGS).param_groups
    names = {id(weight): name for name, weight in network.named_parameters()}
    found = [
        ([names[id(one)] for one in group["params"]], group["lr_factor"], group["weight_decay"])
        for group in groups
    ]
    assert found == [
        (["body.weight"], 1, 0.02),
        (["body.bias", "norm.weight", "norm.bias"], 1, 0),
        (["head.weight"], 10, 0.02),
        (["head.bias"], 10, 0),
    ]
    everything = SETTINGS.model_copy(update={"decayed": "all", "kind": "adamw", "eps": 1e-4})
    adamw = build_optimizer(network, everything)
    assert isinstance(adamw, torch.optim.AdamW)
    assert [group["weight_decay"] for group in adamw.param_groups] == [0.02, 0.02]
    assert {(group["betas"], group["eps"]) for group in adamw.param_groups} == {((0.9, 0.8), 1e-4)}


@pytest.mark.parametrize("value", [float("inf"), float("nan")])
def test_a_step_that_is_not_finite_leaves_no_trace(net: Net, value: float) -> None:
    found = []
    for bad in (set[int](), {0, 2}):
        network = net()
        optimizer = build_optimizer(network, SETTINGS)
        set_learning_rate(optimizer, SETTINGS.lr, CONSTANT, 0)
        scaler = torch.amp.GradScaler("cpu", init_scale=1.0)
        scaler.scale(torch.ones(()))
        good = iter(range(9))
        for number in range(2 + len(bad)):
            slope = next(good) if number not in bad else None
            for weight in network.parameters():
                weight.grad = gradient(weight, slope or 0)
                if slope is None:
                    weight.grad.view(-1)[0] = value
            scaler.unscale_(optimizer)
            scaler.step(optimizer)
            scaler.update(1.0)
        found.append([*network.parameters(), *_kept(optimizer)])
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))


def _kept(optimizer: torch.optim.Optimizer) -> list[Any]:
    return [value for state in optimizer.state.values() for value in state.values()]


def test_a_saved_one_goes_on_bit_for_bit(net: Net) -> None:
    whole, parts = net(), net()
    first, begun = build_optimizer(whole, SETTINGS), build_optimizer(parts, SETTINGS)
    for number in range(4):
        step(first, whole, number)
    for number in range(2):
        step(begun, parts, number)
    buffer = io.BytesIO()
    torch.save({"network": parts.state_dict(), "optimizer": begun.state_dict()}, buffer)
    saved = torch.load(io.BytesIO(buffer.getvalue()), weights_only=True)
    resumed = net()
    resumed.load_state_dict(saved["network"])
    last = build_optimizer(resumed, SETTINGS)
    load_optimizer(last, saved["optimizer"])
    for number in range(2, 4):
        step(last, resumed, number)
    pairs = zip(whole.parameters(), resumed.parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)
