"""The inference form computes what the network computes."""

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from tests.unit.models.conftest import MakeNetwork
from topformer_cli.errors import UsageError
from topformer_cli.models.inference import (
    MatrixPool,
    check_input_size,
    fix_input_size,
    fold_batchnorm,
    pooling_matrix,
)
from topformer_cli.models.spec import SIZES, SizeName

EXACT = 1e-11
"""Of the largest logit, in float64."""


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("height", "width"), [(128, 192), (96, 160), (32, 32)])
def test_fixed_form_equals_the_network(
    lively: MakeNetwork, size: SizeName, height: int, width: int
) -> None:
    network = lively(size).double()
    images = torch.randn(2, 3, height, width, generator=torch.Generator().manual_seed(0)).double()
    with torch.inference_mode():
        expected = network(images)
        folded = fold_batchnorm(network)(images)
        fixed = fix_input_size(network, height, width).double()(images)
    scale = float(expected.abs().max())
    # Uneven sizes pool by matrices that are kept in float32.
    rounding = EXACT if (height, width) == (128, 192) else 1e-6
    assert float((folded - expected).abs().max()) <= EXACT * scale
    assert float((fixed - expected).abs().max()) <= rounding * scale


def test_folding_leaves_the_network_alone(lively: MakeNetwork) -> None:
    network = lively().train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    folded = fold_batchnorm(network)
    assert network.training
    assert not folded.training
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    assert not any(parameter.requires_grad for parameter in folded.parameters())
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())


def test_even_sizes_pool_by_plain_operators(lively: MakeNetwork) -> None:
    fixed = fix_input_size(lively(), 128, 192)
    kinds = [type(module) for module in fixed.pool.modules()]
    assert MatrixPool not in kinds
    assert kinds.count(nn.AvgPool2d) == 4
    assert MatrixPool in [type(module) for module in fix_input_size(lively(), 96, 160).modules()]


@given(outputs=st.integers(1, 12), more=st.integers(0, 40), seed=st.integers(0, 99))
def test_pooling_matrix_is_adaptive_pooling(outputs: int, more: int, seed: int) -> None:
    inputs = outputs + more
    x = torch.rand(1, 2, inputs, generator=torch.Generator().manual_seed(seed))
    matrix = pooling_matrix(inputs, outputs)
    assert matrix.shape == (outputs, inputs)
    assert torch.allclose(matrix.sum(1), torch.ones(outputs))
    assert torch.allclose(x @ matrix.t(), F.adaptive_avg_pool1d(x, outputs), atol=1e-6)


@given(height=st.integers(1, 20), width=st.integers(1, 20), down=st.integers(1, 4))
def test_matrix_pool_is_adaptive_pooling_in_two_axes(height: int, width: int, down: int) -> None:
    target = (-(-height // down), -(-width // down))
    x = torch.randn(1, 3, height, width, generator=torch.Generator().manual_seed(height * width))
    pooled = MatrixPool((height, width), target)(x)
    assert torch.allclose(pooled, F.adaptive_avg_pool2d(x, target), atol=1e-5)


@pytest.mark.parametrize(
    ("height", "width", "nearest"),
    [(500, 512, "512x512"), (512, 470, "512x480"), (0, 64, "32x64"), (-32, 31, "32x32")],
)
def test_odd_input_size_names_the_nearest(height: int, width: int, nearest: str) -> None:
    with pytest.raises(UsageError, match=rf"{height}x{width}.*multiples of 32.* is {nearest}$"):
        check_input_size(height, width)
