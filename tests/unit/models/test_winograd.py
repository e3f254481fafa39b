"""Convolutions by fewer multiplications against plain ones in double precision."""

from collections.abc import Callable, Sequence

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from topformer_cli.models import winograd as module
from topformer_cli.models.winograd import convolve

Call = Callable[[nn.Conv2d, list[Tensor]], list[Tensor]]
CHANNELS, OUTPUTS = 64, 72
LEVELS = [(2, 13, 22), (2, 12, 24), (2, 7, 5), (2, 1, 3)]
"""Images, height and width; sides that tiles of 4 divide, and others."""


def make_layer(*, bias: bool = True) -> nn.Conv2d:
    torch.manual_seed(0)
    return nn.Conv2d(CHANNELS, OUTPUTS, 3, padding=1, bias=bias)


def make_maps(levels: Sequence[tuple[int, int, int]] = LEVELS) -> list[Tensor]:
    torch.manual_seed(1)
    return [torch.randn(count, CHANNELS, *side) for count, *side in levels]


def is_fast(found: Sequence[Tensor]) -> bool:
    return type(found[0].grad_fn).__name__ == "_ConvolutionBackward"


def all_of(layer: nn.Conv2d, maps: Sequence[Tensor], *, fast: bool) -> list[Tensor]:
    """Return outputs after an activation in place, and gradients of weights and maps."""
    inputs = [one.clone().requires_grad_() for one in maps]
    outputs = convolve(inputs, layer) if fast else [layer(one) for one in inputs]
    assert is_fast(outputs) == fast
    active = [one.relu_() for one in outputs]
    torch.manual_seed(2)
    slopes = [torch.randn(one.shape).to(one.dtype) for one in active]
    return [*active, *torch.autograd.grad(active, [*layer.parameters(), *inputs], slopes)]


@pytest.mark.parametrize("bias", [True, False])
def test_outputs_and_gradients_are_those_of_a_plain_convolution(bias: bool) -> None:
    layer, maps = make_layer(bias=bias), make_maps()
    found = all_of(layer, maps, fast=True)
    wanted = all_of(layer.double(), [one.double() for one in maps], fast=False)
    for one, other in zip(found, wanted, strict=True):
        assert one.shape == other.shape
        assert (one - other).abs().max() < 1e-5 * other.abs().max()


def test_order_in_memory_changes_nothing() -> None:
    layer, maps = make_layer(), make_maps()
    plain = convolve(maps, layer)
    other = layer.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    last = convolve([one.contiguous(memory_format=torch.channels_last) for one in maps], other)
    for one, same in zip(plain, last, strict=True):
        torch.testing.assert_close(one, same)
        assert one.is_contiguous(memory_format=torch.channels_last)


@settings(deadline=None, max_examples=30)
@given(
    window=st.lists(st.integers(-8, 8), min_size=6, max_size=6),
    weight=st.lists(st.integers(-8, 8), min_size=3, max_size=3),
)
def test_the_matrices_of_an_axis_make_a_convolution(window: list[int], weight: list[int]) -> None:
    output, weights, inputs = (
        torch.tensor(matrix, dtype=torch.float64)
        for matrix in (module._OUTPUT, module._WEIGHT, module._INPUT)
    )
    values, kernel = (torch.tensor(one, dtype=torch.float64) for one in (window, weight))
    found = output @ ((weights @ kernel) * (inputs @ values))
    wanted = [float(values[start : start + 3] @ kernel) for start in range(module.TILE)]
    assert found.tolist() == pytest.approx(wanted, abs=1e-9)


def evaluating(layer: nn.Conv2d, maps: list[Tensor]) -> list[Tensor]:
    return convolve(maps, layer.eval())


def in_double(layer: nn.Conv2d, maps: list[Tensor]) -> list[Tensor]:
    return convolve([one.double() for one in maps], layer.double())


def in_half(layer: nn.Conv2d, maps: list[Tensor]) -> list[Tensor]:
    with torch.autocast("cpu", torch.bfloat16):
        return convolve(maps, layer)


def without_gradient(layer: nn.Conv2d, maps: list[Tensor]) -> list[Tensor]:
    with torch.no_grad():
        return convolve(maps, layer)


def on_a_small_map(layer: nn.Conv2d, maps: list[Tensor]) -> list[Tensor]:
    return convolve(maps[-1:], layer)


def strided(layer: nn.Conv2d, maps: list[Tensor]) -> list[Tensor]:
    layer.stride = (2, 2)
    return convolve(maps, layer)


@pytest.mark.parametrize(
    "call", [evaluating, in_double, in_half, without_gradient, on_a_small_map, strided]
)
def test_elsewhere_the_layer_itself_is_applied(call: Call) -> None:
    assert not is_fast(call(make_layer(), make_maps()))


def test_few_channels_are_not_worth_it() -> None:
    layer = nn.Conv2d(CHANNELS, module.LEAST_CHANNELS - 1, 3, padding=1)
    assert not is_fast(convolve(make_maps(), layer))
