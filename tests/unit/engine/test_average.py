"""The moving average is the formula, and forgets its beginning."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from topformer_cli.engine.average import MovingAverage


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))


def moved(one: nn.Module, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for tensor in (*one.parameters(), *one.buffers()):
            if tensor.is_floating_point():
                tensor.copy_(torch.randn(tensor.shape, generator=generator))
            else:
                tensor += 1


@given(decay=st.floats(0.05, 0.9999), steps=st.integers(1, 30))
def test_average_is_the_formula_in_double_precision(decay: float, steps: int) -> None:
    trained = network()
    average = MovingAverage(trained, decay)
    expected = {name: value.double() for name, value in trained.state_dict().items()}
    for step in range(steps):
        moved(trained, step)
        average.update(torch.tensor(step))
        now = min(decay, (1 + step) / (10 + step))
        for name, value in trained.state_dict().items():
            kept = expected[name] * now + value.double() * (1 - now)
            expected[name] = kept if value.is_floating_point() else value.double()
    found = average.network.state_dict()
    assert all(torch.allclose(found[n].double(), v, atol=1e-5) for n, v in expected.items())
    assert found["1.num_batches_tracked"] == steps


@pytest.mark.parametrize("name", ["0.weight", "1.running_mean"])
def test_average_is_a_network_of_its_own(name: str) -> None:
    trained = network()
    average = MovingAverage(trained, 0.9)
    before: Tensor = average.network.state_dict()[name].clone()
    moved(trained, 1)
    assert torch.equal(average.network.state_dict()[name], before)
    assert not any(one.requires_grad for one in average.network.parameters())
