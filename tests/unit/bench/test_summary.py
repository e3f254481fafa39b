from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.sample_streams import Machine, round_of, with_samples, without_samples
from topformer_cli.bench.statistics.summary import quantile, ratio, summarise
from topformer_cli.results import Round

TIMES = st.lists(st.floats(0.001, 1e6), min_size=1, max_size=200)


@given(TIMES, st.floats(0, 1))
def test_quantile_is_numpys(samples: list[float], share: float) -> None:
    expected = float(np.quantile(np.array(samples), share))
    assert quantile(samples, share) == pytest.approx(expected, rel=1e-12, abs=1e-12)


@given(TIMES)
def test_round_holds_every_sample(samples: list[float]) -> None:
    one = round_of(samples)
    assert one.samples_ms == tuple(samples)
    assert one.iterations == len(samples)
    assert one.min_ms <= one.mean_ms * (1 + 1e-12)
    assert one.mean_ms <= one.max_ms * (1 + 1e-12)
    assert one.centre_ms == pytest.approx(float(np.median(np.array(samples))))
    assert replace(one, median_ms=None).centre_ms == one.centre_ms


@given(st.lists(TIMES, min_size=1, max_size=6))
def test_summary_of_samples_is_numpys(rounds: list[list[float]]) -> None:
    summary = summarise([round_of(samples) for samples in rounds])
    everything = np.concatenate([np.array(samples) for samples in rounds])
    middle = float(np.median(everything))
    assert summary is not None
    assert (summary.of, summary.count) == ("inferences", everything.size)
    assert summary.median_ms == pytest.approx(middle)
    assert summary.low_ms <= summary.median_ms <= summary.high_ms
    assert summary.p90_ms == pytest.approx(float(np.quantile(everything, 0.9)))
    assert summary.p95_ms == pytest.approx(float(np.quantile(everything, 0.95)))
    assert (summary.p99_ms is not None) == (everything.size >= 500)
    assert summary.mean_ms == pytest.approx(float(everything.mean()))
    assert summary.mad_ms == pytest.approx(float(np.median(np.abs(everything - middle))))
    if everything.size > 1:
        expected = float(everything.std(ddof=1))
        assert summary.sd_ms == pytest.approx(expected, rel=1e-6, abs=1e-6)
    assert (summary.min_ms, summary.max_ms) == (everything.min(), everything.max())


def test_no_slow_inference_is_left_out() -> None:
    summary = summarise([round_of([20.0] * 60 + [600.0])] * 3)
    assert summary is not None
    assert summary.max_ms == 600.0
    assert summary.mean_ms == pytest.approx((60 * 20 + 600) / 61)


def test_means_and_medians_of_rounds_have_no_percentile() -> None:
    means = [Round(10, 1.0, 3.0, 2.0), Round(10, 1.5, 9.0, 4.0), Round(20, 1.2, 5.0, 3.0)]
    summary = summarise(means)
    assert summary is not None
    assert (summary.of, summary.count, summary.p90_ms) == ("round means", 3, None)
    assert (summary.low_ms, summary.median_ms, summary.high_ms) == (2.0, 3.0, 4.0)
    assert summary.confidence == pytest.approx(0.75)
    assert summary.mean_ms == pytest.approx(3.0)
    assert summary.spread == pytest.approx(1.0)
    medians = [replace(one, median_ms=one.mean_ms / 2) for one in means]
    summary = summarise(medians)
    assert summary is not None
    assert (summary.of, summary.median_ms) == ("round medians", 1.5)
    mixed = summarise([medians[0], *means[1:]])
    assert mixed is not None
    assert (mixed.of, mixed.median_ms) == ("round means", 3.0)


def test_what_only_some_rounds_tell_is_kept() -> None:
    rounds = [
        replace(Round(10, 1.0, 3.0, 2.0), load_ms=5.0, peak_kb=100, forward_ms=(1.0, 2.0, 9.0)),
        replace(Round(10, 1.0, 3.0, 2.0), load_ms=7.0, peak_kb=300, first_ms=4.0),
        Round(10, 1.0, 3.0, 2.0),
    ]
    summary = summarise(rounds)
    assert summary is not None
    told = (summary.forward_ms, summary.load_ms, summary.first_ms, summary.peak_kb)
    assert told == (2.0, 6.0, 4.0, 300)


def test_no_round_has_no_summary() -> None:
    assert summarise([]) is None


@pytest.mark.parametrize("share", [-0.1, 1.1])
def test_quantile_refuses_shares_outside_the_unit_interval(share: float) -> None:
    with pytest.raises(ValueError, match="quantile"):
        quantile([1.0], share)


@pytest.mark.parametrize("told", [True, False], ids=["samples", "means"])
def test_ratio_is_free_of_what_slows_both(told: bool) -> None:
    rng = np.random.default_rng(3)
    load = 1 + rng.uniform(0, 0.3, (5, 1))
    fast = Machine(20.0, 0.01, 0.3, 0.0, 0.0, 200).stream(rng) * load
    slow = Machine(50.0, 0.01, 0.3, 0.0, 0.0, 200).stream(rng) * load
    rounds = with_samples if told else without_samples
    found = ratio("b", "a", rounds(slow), rounds(fast))
    assert found is not None
    assert (found.of, found.to, found.confidence) == ("b", "a", 0.9375)
    assert found.value == pytest.approx(2.5, rel=0.01)
    assert 2.5 * 0.985 < found.low <= found.value <= found.high < 2.5 * 1.015


def test_ratio_of_what_never_ran_together_is_none() -> None:
    assert ratio("b", "a", with_samples(np.ones((2, 5))), ()) is None
    partial = ratio("b", "a", with_samples(np.ones((2, 5))), with_samples(np.ones((1, 5))))
    assert partial is not None
    assert (partial.value, partial.confidence) == (1.0, 0.0)


def test_ratio_sets_no_median_against_a_mean() -> None:
    skewed = np.tile([10.0] * 9 + [110.0], (5, 3))
    found = ratio("b", "a", with_samples(skewed), without_samples(skewed))
    assert found is not None
    assert found.value == pytest.approx(1.0)
