"""The tiled loss is F.interpolate and F.cross_entropy, in value and gradient."""

from dataclasses import dataclass

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from topformer_cli.engine import loss_cells, resize
from topformer_cli.engine.losses import (
    IGNORE,
    Normalise,
    pixel_count,
    upsampled_cross_entropy,
)
from topformer_cli.errors import DataError


@dataclass(frozen=True, slots=True)
class Case:
    """A batch of logits and its labels: sizes, share of ignored pixels, spread of the logits."""

    batch: int
    classes: int
    logits: tuple[int, int]
    labels: tuple[int, int]
    ignored: float = 0.0
    seed: int = 0
    spread: float = 3.0
    weighted: bool = False

    def tensors(self) -> tuple[Tensor, Tensor, Tensor | None]:
        generator = torch.Generator().manual_seed(self.seed)
        logits = torch.randn(self.batch, self.classes, *self.logits, generator=generator)
        labels = torch.randint(0, self.classes, (self.batch, *self.labels), generator=generator)
        ignored = torch.rand(labels.shape, generator=generator) < self.ignored
        weights = torch.rand(self.classes, generator=generator) + 0.1
        return (
            logits * self.spread,
            labels.masked_fill(ignored, IGNORE).to(torch.uint8),
            weights if self.weighted else None,
        )


SIZES = {
    "batch": st.integers(1, 3),
    "classes": st.integers(1, 6),
    "ignored": st.sampled_from([0.0, 0.3, 1.0]),
    "seed": st.integers(0, 1000),
    "spread": st.sampled_from([0.0, 1.0, 8.0, 30.0, 1e3, 1e4]),
    "weighted": st.booleans(),
}
SIDES = st.tuples(st.integers(1, 12), st.integers(1, 12))
CASES = st.builds(
    Case, logits=SIDES, labels=st.tuples(st.integers(1, 40), st.integers(1, 40)), **SIZES
)


@st.composite
def grown_cases(draw: st.DrawFn) -> Case:
    """Draw sizes of which one is the other times 2, 4, 8 or 16 on both axes."""
    height, width = draw(st.tuples(st.integers(1, 5), st.integers(1, 5)))
    factor = draw(st.sampled_from([2, 4, 8, 16]))
    labels = st.just((height * factor, width * factor))
    return draw(st.builds(Case, logits=st.just((height, width)), labels=labels, **SIZES))


NORMALISATIONS = st.sampled_from(["all_pixels", "valid"])


@pytest.fixture(params=[64, 1 << 20], ids=["many tiles", "one tile"])
def tile_elements(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(resize, "TILE_ELEMENTS", request.param)
    monkeypatch.setattr(loss_cells, "BAND_ELEMENTS", request.param)
    resize.row_tiles.cache_clear()
    elements: int = request.param
    return elements


def straightforward(
    logits: Tensor, labels: Tensor, normalise: Normalise, weights: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Return value and gradient in double precision; the authors' or torch's own mean."""
    exact = logits.double().requires_grad_()
    weights = None if weights is None else weights.double()
    wide = F.interpolate(exact, size=labels.shape[1:], mode="bilinear", align_corners=False)
    target = labels.long()
    if normalise == "all_pixels":
        value = F.cross_entropy(wide, target, weights, ignore_index=IGNORE, reduction="none").mean()
    else:
        value = F.cross_entropy(wide, target, weights, ignore_index=IGNORE).nan_to_num()
    (gradient,) = torch.autograd.grad(value, exact)
    return value.detach(), gradient.nan_to_num()


def divisor_of(labels: Tensor, normalise: Normalise, weights: Tensor | None) -> Tensor:
    """Return what a batch of these labels alone is divided by, as a training step does."""
    count = pixel_count(labels, normalise, weights)
    return torch.where(count > 0, count, torch.ones(()))


def tiled(
    logits: Tensor, labels: Tensor, normalise: Normalise, weights: Tensor | None
) -> tuple[Tensor, Tensor]:
    logits = logits.clone().requires_grad_()
    divisor = divisor_of(labels, normalise, weights)
    value = upsampled_cross_entropy(logits, labels, divisor, weights)
    (gradient,) = torch.autograd.grad(value * 1.5, logits)
    return value.detach(), gradient / 1.5


def tolerance(case: Case, normalise: Normalise) -> tuple[float, float]:
    """Return what rounding allows: absolute, of the loss and of the gradient.

    A logit of single precision is uncertain by a share of its size, and so are loss and softmax;
    the gradient of a cell is bounded by the weight of the pixels around it.
    """
    _, labels, weights = case.tensors()
    rounding = 1e-6 + 4 * case.spread * torch.finfo(torch.float32).eps
    heaviest = 1.0 if weights is None else float(weights.max())
    area = max(1.0, labels[0].numel() / (case.logits[0] * case.logits[1]))
    divisor = float(divisor_of(labels, normalise, weights))
    pixels = int((labels != IGNORE).sum())
    return rounding * heaviest * pixels / divisor, rounding * heaviest * area / divisor


def assert_equal(case: Case, normalise: Normalise) -> None:
    logits, labels, weights = case.tensors()
    expected, expected_gradient = straightforward(logits, labels, normalise, weights)
    value, gradient = tiled(logits, labels, normalise, weights)
    assert value.dtype == torch.float32
    loss_error, gradient_error = tolerance(case, normalise)
    assert value.double() == pytest.approx(float(expected), rel=1e-6, abs=loss_error)
    assert float((gradient.double() - expected_gradient).abs().max()) <= gradient_error


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(case=CASES | grown_cases(), normalise=NORMALISATIONS)
@pytest.mark.usefixtures("tile_elements")
def test_value_and_gradient_are_exact(case: Case, normalise: Normalise) -> None:
    assert_equal(case, normalise)


@pytest.mark.parametrize("spread", [0.1, 1.0, 5.0])
def test_a_training_batch_is_exact_to_a_millionth(spread: float) -> None:
    case = Case(2, 150, (8, 6), (64, 48), ignored=0.1, seed=4, spread=spread)
    logits, labels, _ = case.tensors()
    expected, expected_gradient = straightforward(logits, labels, "all_pixels", None)
    value, gradient = tiled(logits, labels, "all_pixels", None)
    assert float(value) == pytest.approx(float(expected), rel=1e-6)
    scale = float(expected_gradient.abs().max())
    assert float((gradient.double() - expected_gradient).abs().max()) <= 1e-6 * scale


@pytest.mark.parametrize("labels", [(64, 96), (60, 96)], ids=["in cells", "in rows"])
def test_images_scored_side_by_side_give_the_same_bits(labels: tuple[int, int]) -> None:
    logits, targets, _ = Case(4, 20, (8, 12), labels).tensors()
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            found.append(tiled(logits, targets, "all_pixels", None))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(found[0][0], found[1][0])
    assert torch.equal(found[0][1], found[1][1])


@pytest.mark.parametrize("labels", [(16, 16), (15, 16)], ids=["in cells", "in rows"])
def test_a_label_beyond_the_classes_is_an_error(labels: tuple[int, int]) -> None:
    logits, target, _ = Case(1, 3, (2, 2), labels).tensors()
    target[0, 4, 5] = 3
    with pytest.raises(DataError, match=r"label 3 in a mask, but the network has 3 classes"):
        tiled(logits, target, "valid", None)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("normalise", ["all_pixels", "valid"])
def test_all_ignored_gives_zero_and_no_gradient(normalise: Normalise, weighted: bool) -> None:
    case = Case(2, 4, (3, 5), (24, 40), ignored=1.0, weighted=weighted)
    logits, labels, weights = case.tensors()
    value, gradient = tiled(logits, labels, normalise, weights)
    assert float(value) == 0
    assert not gradient.any()


def test_pixels_of_weightless_classes_alone_give_zero() -> None:
    logits, _, _ = Case(1, 3, (2, 2), (8, 8)).tensors()
    labels, weights = torch.zeros(1, 8, 8, dtype=torch.uint8), torch.tensor([0.0, 1.0, 1.0])
    value, gradient = tiled(logits, labels, "valid", weights)
    assert float(value) == 0
    assert not gradient.any()


def test_the_two_denominators() -> None:
    labels = torch.tensor([[[0, 1], [1, IGNORE]]], dtype=torch.uint8)
    weights = torch.tensor([0.5, 0.25])
    assert pixel_count(labels, "all_pixels") == pixel_count(labels, "all_pixels", weights) == 4
    assert pixel_count(labels, "valid") == 3
    assert pixel_count(labels, "valid", weights) == 1.0


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16, torch.float64])
def test_logits_of_other_types_get_a_gradient_of_their_type(kind: torch.dtype) -> None:
    logits, labels, _ = Case(1, 3, (2, 2), (16, 16), seed=2).tensors()
    logits = logits.to(kind)
    value, gradient = tiled(logits, labels, "valid", None)
    assert gradient.dtype == kind
    expected, expected_gradient = straightforward(logits, labels, "valid", None)
    assert float(value) == pytest.approx(float(expected), rel=1e-6)
    tolerance = float(expected_gradient.abs().max()) * (torch.finfo(kind).eps + 2e-6)
    assert float((gradient.double() - expected_gradient).abs().max()) <= tolerance


@pytest.mark.parametrize("spread", [10.0, 1e4], ids=["in cells", "in rows"])
def test_logits_that_differ_by_a_lot_within_a_cell(spread: float) -> None:
    case = Case(1, 3, (2, 2), (16, 16), spread=spread)
    _, labels, _ = case.tensors()
    logits = torch.tensor([[1.0, -1.0], [-1.0, 1.0]]).repeat(1, 3, 1, 1)
    logits[0, 1] *= -1
    expected, expected_gradient = straightforward(logits * spread, labels, "valid", None)
    value, gradient = tiled(logits * spread, labels, "valid", None)
    loss_error, gradient_error = tolerance(case, "valid")
    assert float(value) == pytest.approx(float(expected), rel=1e-6, abs=loss_error)
    assert float((gradient.double() - expected_gradient).abs().max()) <= gradient_error


def test_logits_in_either_memory_format_give_the_same() -> None:
    logits, labels, _ = Case(2, 5, (4, 6), (32, 48), seed=3).tensors()
    value, gradient = tiled(logits, labels, "valid", None)
    last = logits.contiguous(memory_format=torch.channels_last)
    same_value, same_gradient = tiled(last, labels, "valid", None)
    assert torch.equal(value, same_value)
    assert torch.equal(gradient, same_gradient)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_logits_that_are_not_finite_are_not_hidden(bad: float) -> None:
    logits, labels, _ = Case(1, 3, (2, 2), (16, 16), seed=2).tensors()
    logits[0, 1, 0, 0] = bad
    value, _ = tiled(logits, labels, "valid", None)
    assert value.isnan()


def test_half_precision_keeps_what_only_the_loss_scale_makes_large_enough() -> None:
    logits, labels, _ = Case(1, 20, (4, 4), (32, 32)).tensors()
    found = []
    for kind in (torch.float32, torch.float16):
        leaf = logits.half().to(kind).requires_grad_()
        loss = upsampled_cross_entropy(leaf, labels, torch.tensor(1e8))
        found.append(torch.autograd.grad(loss * 2.0**16, leaf)[0].float())
    assert float(found[0].abs().max()) / 2.0**16 < 1e-6
    torch.testing.assert_close(found[1], found[0], rtol=1e-2, atol=1e-6)
