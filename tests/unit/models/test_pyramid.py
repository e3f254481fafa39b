"""Feature pyramid and head give what torchvision's give."""

from collections import OrderedDict

import pytest
import torch
from torch import Tensor
from torchvision.models.detection.retinanet import RetinaNetHead
from torchvision.ops import FeaturePyramidNetwork

from topformer_cli.models.pyramid import DenseHead, FeaturePyramid

WIDTH, KINDS, CLASSES = 64, 2, 33
SIDES = [(20, 28), (10, 14), (5, 7), (3, 4), (2, 2)]


def make_maps() -> list[Tensor]:
    torch.manual_seed(1)
    maps = [torch.randn(2, WIDTH, *side) for side in SIDES]
    return [one.contiguous(memory_format=torch.channels_last) for one in maps]


@pytest.mark.parametrize("training", [True, False])
def test_head_is_torchvisions(training: bool) -> None:
    torch.manual_seed(0)
    ours, theirs = DenseHead(WIDTH, KINDS, CLASSES), RetinaNetHead(WIDTH, KINDS, CLASSES)
    for parameter in ours.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    theirs.load_state_dict(ours.state_dict())
    found, wanted = ours.train(training)(make_maps()), theirs(make_maps())
    for name, values in wanted.items():
        if training:
            assert (found[name] - values).abs().max() < 1e-5 * values.abs().max()
        else:
            assert torch.equal(found[name], values)
        assert found[name].requires_grad


def test_pyramid_is_torchvisions() -> None:
    torch.manual_seed(0)
    ours = FeaturePyramid([WIDTH] * 3, WIDTH)
    theirs = FeaturePyramidNetwork([WIDTH] * 3, WIDTH)
    theirs.load_state_dict(ours.state_dict())
    maps = OrderedDict(zip("abc", make_maps(), strict=False))
    found, wanted = ours(maps), theirs(maps)
    assert list(found) == list(wanted)
    assert "Convolution" in type(found["a"].grad_fn).__name__
    for name, values in wanted.items():
        assert (found[name] - values).abs().max() < 1e-5 * values.abs().max()
