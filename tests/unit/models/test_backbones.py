"""RetinaNet on every backbone: its maps, its names, its batch normalisation and inference form."""

from dataclasses import replace
from typing import get_args

import pytest
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from tests.unit.models.conftest import LIBRARIES, make_lively, make_spec
from topformer_cli.engine.processes.batch_norm import SharedBatchNorm, share_statistics
from topformer_cli.models.backbones import CLASSIFIERS, DETECTORS
from topformer_cli.models.boxes import STRIDES
from topformer_cli.models.build import build_detector, build_model
from topformer_cli.models.detector import FPN_WIDTH, RetinaNet
from topformer_cli.models.inference import fold_batchnorm
from topformer_cli.models.spec import BackboneName, ModelSpec, Norm

EVERY = pytest.mark.parametrize("backbone", DETECTORS)
CNNS = pytest.mark.parametrize("backbone", [name for name in DETECTORS if name != "topformer"])
CHANNELS: dict[BackboneName, tuple[int, ...]] = {
    "topformer": (128, 128, 128),
    "shufflenetv2": (116, 232, 464),
    "mobilenetv3": (40, 112, 160),
}


def detector_spec(backbone: BackboneName) -> ModelSpec:
    size = "tiny" if backbone == "topformer" else None
    card = replace(make_spec(), task="detection", head="retinanet", fuse=None)
    return replace(card, backbone=backbone, size=size)


def make(backbone: BackboneName, norm: Norm = "plain") -> RetinaNet:
    """A network whose batch normalisations have values of their own."""
    torch.manual_seed(0)
    network, lively = (build_detector(detector_spec(backbone), norm=one) for one in (norm, "plain"))
    assert isinstance(network, RetinaNet)
    network.load_state_dict(make_lively(lively).state_dict())
    return network


@EVERY
def test_maps_come_at_three_strides_and_levels_at_five(backbone: BackboneName) -> None:
    network = make(backbone).eval()
    images = torch.zeros(2, 3, 64, 96)
    with torch.inference_mode():
        maps, pyramid = network.levels(images), network.pyramid(images)
    shapes = [
        (2, channels, 64 // s, 96 // s)
        for channels, s in zip(CHANNELS[backbone], (8, 16, 32), strict=True)
    ]
    assert [tuple(one.shape) for one in maps] == shapes
    assert [tuple(one.shape) for one in pyramid] == [
        (2, FPN_WIDTH, -(-64 // stride), -(-96 // stride)) for stride in STRIDES
    ]


@CNNS
def test_parts_are_called_as_in_torchvision(backbone: BackboneName) -> None:
    own, theirs = make(backbone).state_dict(), CLASSIFIERS[backbone](7).state_dict()
    parts = {name for name in own if not name.startswith(("neck.", "head."))}
    assert {name: own[name].shape for name in parts} == {
        name: theirs[name].shape for name in theirs if name in parts
    }
    left = {"shufflenetv2": {"conv5", "fc"}, "mobilenetv3": {"features", "classifier"}}[backbone]
    assert {name.split(".")[0] for name in theirs.keys() - parts} == left


def norms(network: nn.Module) -> list[_BatchNorm]:
    return [module for module in network.modules() if isinstance(module, _BatchNorm)]


def buffers(network: nn.Module) -> list[Tensor]:
    return [buffer.clone() for buffer in network.buffers() if buffer.is_floating_point()]


@EVERY
@pytest.mark.parametrize("norm", get_args(Norm))
def test_normalisation_keeps_or_learns_what_it_says(backbone: BackboneName, norm: Norm) -> None:
    network = make(backbone, norm)
    before = buffers(network)
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    sum(one.square().mean() for one in network.train().levels(images)).backward()  # type: ignore[union-attr]
    kept = [torch.equal(*pair) for pair in zip(before, buffers(network), strict=True)]
    assert all(kept) if norm == "frozen" else not any(kept)
    # Scale and shift learn in all three kinds; attention to a single token has no slope.
    learning = {
        name: parameter.grad
        for name, parameter in network.named_parameters()
        if parameter.dim() == 1 and not name.startswith(("neck", "head"))
    }
    assert len(learning) >= 2 * len(norms(network))
    assert all(
        gradient is not None and (gradient.abs().max() > 0 or ".attention." in name)
        for name, gradient in learning.items()
    )
    kinds = {type(module) for module in norms(network)}
    assert kinds == {nn.SyncBatchNorm if norm == "sync" else nn.BatchNorm2d}


@EVERY
def test_frozen_normalisation_knows_no_batch(backbone: BackboneName) -> None:
    frozen, plain = make(backbone, "frozen").train(), make(backbone).train()
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        alone, both = frozen.levels(images[:1])[0], frozen.levels(images)[0][:1]
        torch.testing.assert_close(alone, both, rtol=1e-4, atol=1e-4)
        by_batch = plain.levels(images)[0][:1]
    assert (by_batch - both).abs().max() > 0.01 * both.abs().max()


@EVERY
def test_sharing_statistics_reaches_every_normalisation(backbone: BackboneName) -> None:
    network = make(backbone, "sync")
    settings = [(module.eps, module.momentum) for module in norms(network)]
    names = list(network.state_dict())
    shared = share_statistics(network, torch.device("cpu"))
    assert {type(module) for module in norms(shared)} == {SharedBatchNorm}
    assert [(module.eps, module.momentum) for module in norms(shared)] == settings
    assert list(shared.state_dict()) == names


@EVERY
@pytest.mark.parametrize("norm", ["plain", "sync"])
def test_the_inference_form_computes_the_same(backbone: BackboneName, norm: Norm) -> None:
    network = make(backbone, norm).eval()
    folded = fold_batchnorm(network)
    assert norms(folded) == []
    assert len(norms(network)) > 20
    images = torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        for one, other in zip(network(images), folded(images), strict=True):
            torch.testing.assert_close(other, one, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("backbone", CLASSIFIERS)
def test_a_librarys_classifier_is_a_network_like_any_other(backbone: str) -> None:
    pytest.importorskip(LIBRARIES.get(backbone, "torchvision"))
    card = replace(make_spec(), task="classification", head="linear", size=None, fuse=None)
    card = replace(card, backbone=backbone)
    network = make_lively(build_model(card)).eval()
    images = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        expected, folded = network(images), fold_batchnorm(network)(images)
    assert expected.shape == (1, len(card.classes))
    torch.testing.assert_close(folded, expected, rtol=1e-5, atol=1e-5)
