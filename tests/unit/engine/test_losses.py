"""The tiled loss is F.interpolate and F.cross_entropy, in value and gradient."""

from dataclasses import dataclass

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from topformer_cli.engine import resize
from topformer_cli.engine.losses import IGNORE, Normalise, upsampled_cross_entropy


@dataclass(frozen=True, slots=True)
class Case:
    """Sizes of a batch of logits and of its labels, and the share of ignored pixels."""

    batch: int
    classes: int
    logits: tuple[int, int]
    labels: tuple[int, int]
    ignored: float
    seed: int

    def tensors(self) -> tuple[Tensor, Tensor]:
        generator = torch.Generator().manual_seed(self.seed)
        logits = torch.randn(self.batch, self.classes, *self.logits, generator=generator) * 3
        labels = torch.randint(0, self.classes, (self.batch, *self.labels), generator=generator)
        ignored = torch.rand(labels.shape, generator=generator) < self.ignored
        return logits, labels.masked_fill(ignored, IGNORE).to(torch.uint8)


SIDES = st.tuples(st.integers(1, 7), st.integers(1, 7))
CASES = st.builds(
    Case,
    batch=st.integers(1, 3),
    classes=st.integers(1, 6),
    logits=SIDES,
    labels=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    ignored=st.sampled_from([0.0, 0.3, 1.0]),
    seed=st.integers(0, 1000),
)


@pytest.fixture(params=[64, 1 << 20], ids=["many tiles", "one tile"])
def tile_elements(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(resize, "TILE_ELEMENTS", request.param)
    resize.row_tiles.cache_clear()
    elements: int = request.param
    return elements


def straightforward(logits: Tensor, labels: Tensor, normalise: Normalise) -> Tensor:
    size = (labels.shape[1], labels.shape[2])
    wide = F.interpolate(logits, size=size, mode="bilinear", align_corners=False)
    total = F.cross_entropy(wide, labels.long(), ignore_index=IGNORE, reduction="sum")
    pixels = labels.numel() if normalise == "all_pixels" else int((labels != IGNORE).sum())
    return total / max(pixels, 1)


def value_and_gradient(loss: object, case: Case, normalise: Normalise) -> tuple[Tensor, Tensor]:
    logits, labels = case.tensors()
    logits.requires_grad_()
    assert callable(loss)
    value: Tensor = loss(logits, labels, normalise)
    (value * 1.5).backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None
    return value.detach(), logits.grad


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(case=CASES, normalise=st.sampled_from(["all_pixels", "valid"]))
@pytest.mark.usefixtures("tile_elements")
def test_value_and_gradient_are_exact(case: Case, normalise: Normalise) -> None:
    expected, expected_gradient = value_and_gradient(straightforward, case, normalise)
    value, gradient = value_and_gradient(upsampled_cross_entropy, case, normalise)
    assert value.dtype == torch.float32
    assert torch.allclose(value, expected, rtol=1e-5, atol=1e-6)
    scale = max(float(expected_gradient.abs().max()), 1e-6)
    assert torch.allclose(gradient, expected_gradient, rtol=0, atol=2e-5 * scale)


@pytest.mark.parametrize("normalise", ["all_pixels", "valid"])
def test_all_ignored_gives_zero_and_no_gradient(normalise: Normalise) -> None:
    case = Case(2, 4, (3, 5), (24, 40), 1.0, 0)
    value, gradient = value_and_gradient(upsampled_cross_entropy, case, normalise)
    assert float(value) == 0
    assert not gradient.any()


def test_the_two_denominators_differ_by_the_ignored_share() -> None:
    logits, labels = Case(2, 4, (4, 4), (32, 32), 0.5, 1).tensors()
    valid = float((labels != IGNORE).float().mean())
    all_pixels = upsampled_cross_entropy(logits, labels, "all_pixels")
    assert float(all_pixels) == pytest.approx(
        float(upsampled_cross_entropy(logits, labels, "valid")) * valid, rel=1e-5
    )


def test_half_precision_logits_get_a_gradient_of_their_type() -> None:
    logits, labels = Case(1, 3, (2, 2), (16, 16), 0.0, 2).tensors()
    half = logits.to(torch.bfloat16).requires_grad_()
    loss = upsampled_cross_entropy(half, labels, "valid")
    loss.backward()  # type: ignore[no-untyped-call]
    assert half.grad is not None
    assert half.grad.dtype == torch.bfloat16
    exact = straightforward(logits.to(torch.bfloat16).float(), labels, "valid")
    assert float(loss.detach()) == pytest.approx(float(exact), rel=1e-5)


def test_logits_that_are_not_finite_are_not_hidden() -> None:
    logits, labels = Case(1, 3, (2, 2), (16, 16), 0.0, 2).tensors()
    logits[0, 1, 0, 0] = float("nan")
    assert upsampled_cross_entropy(logits, labels, "valid").isnan()
