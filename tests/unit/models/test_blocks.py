"""Depthwise convolutions of a training in half precision on the CPU."""

import pytest
import torch
from torch import Tensor

from topformer_cli.models.blocks import ConvBN, Depthwise


def gradients(layer: Depthwise, images: Tensor) -> list[Tensor]:
    found = layer(images)
    torch.manual_seed(2)
    slope = torch.randn(found.shape).to(found.dtype)
    return [found, *torch.autograd.grad(found, [layer.weight, images], slope)]


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16])
def test_half_precision_is_that_of_inputs_and_outputs_alone(kind: torch.dtype) -> None:
    torch.manual_seed(0)
    layer = Depthwise(8, 8, 3, padding=1, groups=8)
    images = torch.randn(2, 8, 9, 7).to(kind).requires_grad_()
    with torch.autocast("cpu", kind):
        found = gradients(layer, images)
    wanted = gradients(layer, images.detach().float().requires_grad_())
    assert [one.dtype for one in found] == [kind, torch.float32, kind]
    assert torch.equal(found[0], wanted[0].to(kind))
    torch.testing.assert_close(found[1], wanted[1], rtol=0.01, atol=0.1)
    torch.testing.assert_close(found[2].float(), wanted[2], rtol=0.02, atol=0.02)


def test_evaluation_is_left_to_autocast() -> None:
    torch.manual_seed(0)
    layer = Depthwise(8, 8, 3, padding=1, groups=8).eval()
    images = torch.randn(2, 8, 9, 7)
    with torch.autocast("cpu", torch.bfloat16), torch.no_grad():
        found = layer(images)
        plain = torch.nn.functional.conv2d(images, layer.weight, layer.bias, padding=1, groups=8)
    assert torch.equal(found, plain)


def test_only_channels_apart_are_depthwise() -> None:
    assert isinstance(ConvBN(8, 8, kernel=3, groups=8).conv, Depthwise)
    assert not isinstance(ConvBN(8, 8, kernel=3).conv, Depthwise)
