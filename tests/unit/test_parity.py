"""How two outputs are compared, and when one is refused."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from topformer_cli.errors import ParityError
from topformer_cli.parity import Parity, compare, require

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
