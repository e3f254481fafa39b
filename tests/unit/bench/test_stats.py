import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from topformer_cli.bench.stats import judge, quantile, round_of, summarise
from topformer_cli.results import CoreUse, Round

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


@given(st.lists(TIMES, min_size=1, max_size=6))
def test_summary_of_samples_is_numpys(rounds: list[list[float]]) -> None:
    summary = summarise([round_of(samples) for samples in rounds])
    everything = np.concatenate([np.array(samples) for samples in rounds])
    assert summary is not None
    assert summary.median_ms == pytest.approx(float(np.median(everything)))
    assert summary.p90_ms == pytest.approx(float(np.quantile(everything, 0.9)))
    assert summary.mean_ms == pytest.approx(float(everything.mean()))
    assert (summary.min_ms, summary.max_ms) == (everything.min(), everything.max())


def test_rounds_without_samples_have_no_percentile() -> None:
    rounds = [Round(10, 1.0, 3.0, 2.0), Round(10, 1.5, 9.0, 4.0), Round(20, 1.2, 5.0, 3.0)]
    summary = summarise(rounds)
    assert summary is not None
    assert summary.p90_ms is None
    assert summary.median_ms == 3.0
    assert summary.mean_ms == pytest.approx(3.0)
    assert summary.spread == pytest.approx(1.0)


def test_no_round_has_no_summary() -> None:
    assert summarise([]) is None


@pytest.mark.parametrize("share", [-0.1, 1.1])
def test_quantile_refuses_shares_outside_the_unit_interval(share: float) -> None:
    with pytest.raises(ValueError, match="quantile"):
        quantile([1.0], share)


PINNED = CoreUse("prime", "80", "7", verified=True)
STRAYED = CoreUse("prime", "80", "0-7", verified=False)
UNREAD = CoreUse("prime", "80", None, verified=None)
FREE = CoreUse("any")
UNPINNED = CoreUse("prime")


@pytest.mark.parametrize(
    ("spread", "core", "emulated", "complete", "verdict"),
    [
        (0.04, PINNED, False, True, "stable"),
        (0.06, PINNED, False, True, "unstable"),
        (0.04, STRAYED, False, True, "not pinned"),
        (0.04, UNREAD, False, True, "not pinned"),
        (0.04, FREE, False, True, "stable"),
        (0.04, UNPINNED, False, True, "not pinned"),
        (0.04, PINNED, True, True, "emulated"),
        (0.04, PINNED, True, False, "incomplete"),
    ],
)
def test_verdict(
    spread: float, core: CoreUse, emulated: bool, complete: bool, verdict: str
) -> None:
    summary = summarise([Round(5, 1.0, 1.0, 1.0), Round(5, 1.0, 1.0, 1.0 + spread)])
    assert judge(summary, core, emulated, complete) == verdict
    assert judge(None, core, emulated, complete) == "incomplete"


def test_spread_of_equal_rounds_is_zero() -> None:
    summary = summarise([round_of([2.0, 2.0]), round_of([2.0])])
    assert summary is not None
    assert math.isclose(summary.spread, 0.0)
