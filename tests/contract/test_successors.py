"""TopFormer's successors compute what their authors' code does, written again in tests.fakes."""

import pytest
import torch
from torch import Tensor, nn

from tests.contract.test_baselines import build
from tests.fakes.conditioned import well_conditioned
from tests.fakes.pp_mobileseg import MobileSegForward, mobileseg_state
from tests.fakes.seaformer import HEADS, SeaFormerForward, seaformer_state
from topformer_cli.models.baselines.table import BASELINES

SIDES = ((128, 192), (96, 160), (32, 64))
"""Images whose maps at 1/32 and 1/64 are no multiples of each other, and of one position."""


def lively(name: str) -> nn.Module:
    torch.manual_seed(5)
    return well_conditioned(build(BASELINES[name])).double()


def images(height: int, width: int) -> Tensor:
    generator = torch.Generator().manual_seed(6)
    return torch.randn(2, 3, height, width, generator=generator, dtype=torch.float64)


def farthest(ours: Tensor, theirs: Tensor) -> float:
    assert ours.shape == theirs.shape
    assert theirs.std() > 1e-2
    return float((ours - theirs).abs().max() / theirs.std())


@pytest.mark.parametrize("size", HEADS)
def test_seaformer_is_its_authors(size: str) -> None:
    network = lively(f"seaformer-{size}")
    theirs = SeaFormerForward(size, seaformer_state(network.state_dict()))
    for side in SIDES:
        with torch.inference_mode():
            assert farthest(network(images(*side)), theirs(images(*side))) < 1e-9


@pytest.mark.parametrize("size", ["tiny", "base"])
def test_pp_mobileseg_is_paddlesegs(size: str) -> None:
    network = lively(f"pp-mobileseg-{size}")
    theirs = MobileSegForward(size, mobileseg_state(network.state_dict()))
    for side in SIDES:
        with torch.inference_mode():
            assert farthest(network(images(*side)), theirs(images(*side))) < 1e-9
