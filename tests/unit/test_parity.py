"""How two outputs are compared, and when one is refused."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from topformer_cli.errors import ParityError
from topformer_cli.parity import (
    Parity,
    agreement,
    compare,
    compare_labels,
    counted,
    require,
    tolerance_for,
)

REFERENCE = np.random.default_rng(0).standard_normal((1, 5, 4, 6)).astype(np.float32)


def test_an_output_equals_itself() -> None:
    found = compare(REFERENCE, REFERENCE.copy())
    assert found.cosine == pytest.approx(1)
    assert replace(found, cosine=1.0) == Parity(0, 0, 0, 1, 1)
    require(found, "onnx", 0)


@given(scale=st.floats(1e-6, 1e6), at=st.integers(0, 119), difference=st.floats(1e-6, 1e-2))
def test_figures_are_what_they_say(scale: float, at: int, difference: float) -> None:
    reference = REFERENCE.astype(np.float64) * scale
    output = reference.copy()
    output.flat[at] += difference * np.abs(reference).max()
    found = compare(reference, output)
    assert found.relative == pytest.approx(difference, rel=1e-6)
    assert found.max_abs == pytest.approx(difference * np.abs(reference).max(), rel=1e-6)
    assert found.mean_abs == pytest.approx(found.max_abs / 120)
    assert found.cosine == pytest.approx(1, abs=1e-3)


def test_labels_are_counted_along_the_class_axis() -> None:
    output = REFERENCE.copy()
    output[0, :, 0, 0] = np.roll(output[0, :, 0, 0], 1)
    assert compare(REFERENCE, output).labels_equal == pytest.approx(23 / 24)
    last = np.moveaxis(REFERENCE, 1, 3), np.moveaxis(output, 1, 3)
    assert compare(*last, class_axis=3).labels_equal == pytest.approx(23 / 24)


def test_zeros_compare_with_zeros() -> None:
    found = compare(np.zeros((1, 2, 1, 1)), np.zeros((1, 2, 1, 1)))
    assert (found.relative, found.cosine) == (0, 1)


def test_another_shape_is_refused() -> None:
    with pytest.raises(
        ParityError, match=r"output shape \(1, 5, 4\) differs from .*\(1, 5, 4, 6\)"
    ):
        compare(REFERENCE, REFERENCE[..., 0])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_counted(value: float) -> None:
    output = REFERENCE.copy()
    output[0, 0, 0, :2] = value
    with pytest.raises(ParityError, match="2 of 120 output values are nan or inf"):
        compare(REFERENCE, output)


def test_a_refusal_names_figure_and_bound() -> None:
    found = compare(REFERENCE, REFERENCE * np.float32(1.001))
    words = r"onnx: max difference is 1.00e-03 of max\|reference\|, above 1e-05 \(labels equal: 100"
    with pytest.raises(ParityError, match=words):
        require(found, "onnx")
    require(found, "onnx", 2e-3)


def test_a_reference_that_is_not_finite_proves_nothing() -> None:
    reference = np.full((1, 2, 1, 1), np.nan)
    with pytest.raises(ParityError, match="2 of 2 reference values are nan or inf"):
        compare(reference, np.ones((1, 2, 1, 1)))


LOGITS = np.random.default_rng(6).standard_normal((2, 5, 6, 7), np.float32)


def best() -> np.ndarray:
    return LOGITS.argmax(1)[:, None]


def test_right_labels_lose_nothing() -> None:
    parity = compare_labels(LOGITS, best())
    assert (parity.max_abs, parity.relative, parity.labels_equal) == (0, 0, 1)


def test_a_wrong_label_costs_what_its_class_lacks() -> None:
    labels = best()
    worst = LOGITS[1, :, 3, 2].argmin()
    labels[1, 0, 3, 2] = worst
    parity = compare_labels(LOGITS, labels)
    lost = LOGITS[1, :, 3, 2].max() - LOGITS[1, worst, 3, 2]
    assert parity.max_abs == pytest.approx(lost)
    assert parity.relative == pytest.approx(lost / np.abs(LOGITS).max())
    assert parity.labels_equal == pytest.approx(1 - 1 / best().size)


def test_a_tie_may_go_either_way() -> None:
    tied = LOGITS.copy()
    tied[0, 1, 0, 0] = tied[0, 4, 0, 0] = 9
    labels = tied.argmax(1)[:, None]
    labels[0, 0, 0, 0] = 4
    parity = compare_labels(tied, labels)
    assert parity.relative == 0
    assert parity.labels_equal < 1


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (best()[:, 0], "label map of shape"),
        (np.full((2, 1, 6, 7), 5), "labels 5 to 5 for 5 classes"),
        (np.full((2, 1, 6, 7), -1), "labels -1 to -1"),
    ],
)
def test_what_is_no_label_map_is_refused(labels: np.ndarray, message: str) -> None:
    with pytest.raises(ParityError, match=message):
        compare_labels(LOGITS, labels)


def test_label_maps_differ_by_a_share() -> None:
    other = best()
    other[0, 0, 0, :2] = (other[0, 0, 0, :2] + 1) % 5
    parity = agreement(best(), other)
    assert parity.relative == pytest.approx(2 / other.size)
    assert parity.labels_equal == pytest.approx(1 - 2 / other.size)
    with pytest.raises(ParityError, match="label map of shape"):
        agreement(best(), other[:1])


def test_channels_that_pad_do_not_count() -> None:
    padded = np.concatenate([LOGITS, np.full((2, 3, 6, 7), 1e9, np.float32)], axis=1)
    np.testing.assert_array_equal(counted(padded, LOGITS), LOGITS)
    assert agreement(LOGITS, padded).relative == 0
    with pytest.raises(ParityError, match="output shape"):
        agreement(padded, LOGITS)


@pytest.mark.parametrize(
    ("rounding", "tolerance"), [(0, 1e-5), (1e-6, 1e-5), (1e-5, 3e-5), (1e-2, 1e-3)]
)
def test_the_bound_gives_way_to_rounding_but_not_without_end(
    rounding: float, tolerance: float
) -> None:
    assert tolerance_for(rounding) == pytest.approx(tolerance)
