"""The classification network: what is published of it, and what it shares with the others."""

import pytest
import torch

from tests.unit.models.conftest import make_lively
from tests.unit.models.test_start import classifier_spec
from topformer_cli.models.build import build_model
from topformer_cli.models.cost import cost_by_part
from topformer_cli.models.inference import fold_batchnorm
from topformer_cli.models.spec import SIZES, SizeName

PUBLISHED: dict[SizeName, tuple[float, float]] = {
    "tiny": (1.5, 0.13), "small": (3.1, 0.24), "base": (5.1, 0.37),
}  # fmt: skip
"""Millions of parameters and billions of multiply-adds at 224x224, 1000 classes, as
BR-IDL/PaddleViT counts the converted weights; its counter takes activations in as well."""


@pytest.mark.parametrize("size", SIZES)
def test_cost_is_what_others_count(size: SizeName) -> None:
    total = cost_by_part(build_model(classifier_spec(size, 1000)), 224, 224)[-1]
    parameters, operations = PUBLISHED[size]
    assert round(total.parameters / 1e6, 1) == parameters
    assert 0.92 * operations < total.multiply_adds / 1e9 < operations


@pytest.mark.parametrize("side", [32, 64, 224])
def test_one_row_of_logits_an_image(side: int) -> None:
    network = build_model(classifier_spec()).eval()
    with torch.inference_mode():
        assert network(torch.zeros(2, 3, side, side)).shape == (2, 7)


def test_tokens_are_pooled_to_a_thirty_second() -> None:
    network = build_model(classifier_spec()).eval()
    shapes = []
    network.get_submodule("semantics_extractor").register_forward_hook(
        lambda module, inputs, output: shapes.append(output.shape)  # noqa: ARG005
    )
    with torch.inference_mode():
        network(torch.zeros(1, 3, 224, 224))
    assert shapes == [(1, 208, 7, 7)]


def test_inference_form_computes_the_same() -> None:
    network = make_lively(build_model(classifier_spec())).eval().double()
    images = torch.randn(2, 3, 64, 96, dtype=torch.float64)
    with torch.inference_mode():
        expected, found = network(images), fold_batchnorm(network)(images)
    torch.testing.assert_close(found, expected)


def test_drop_rates_act_in_training_only() -> None:
    torch.manual_seed(0)
    network = make_lively(build_model(classifier_spec(), drop_path=0.5, dropout=0.5))
    images = torch.randn(4, 3, 64, 64)
    with torch.no_grad():
        assert not torch.equal(network(images), network(images))
        network.eval()
        assert torch.equal(network(images), network(images))
