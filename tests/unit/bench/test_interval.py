"""Order-statistics intervals hold the median about as often as they claim."""

from dataclasses import replace
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.sample_streams import Machine
from topformer_cli.bench.statistics.interval import grouped_interval, median_interval

DRAWS = 400


@pytest.mark.parametrize(
    ("count", "confidence"), [(1, 0.0), (2, 0.5), (3, 0.75), (4, 0.875), (5, 0.9375)]
)
def test_few_values_give_their_range_with_its_confidence(count: int, confidence: float) -> None:
    values = [float(value) for value in range(count)]
    found = median_interval(values)
    assert (found.low, found.high) == (values[0], values[-1])
    assert found.confidence == pytest.approx(confidence)


@given(st.integers(6, 400))
def test_interval_is_the_narrowest_of_its_confidence(count: int) -> None:
    found = median_interval([float(value) for value in range(1, count + 1)])
    low, high = int(found.low), int(found.high)
    assert low + high == count + 1
    inside = [sum(comb(count, one) for one in range(k, count - k + 1)) for k in (low, low + 1)]
    assert found.confidence == pytest.approx(inside[0] / 2**count)
    assert inside[1] / 2**count < 0.95 <= found.confidence


@given(st.lists(st.lists(st.floats(0.001, 1e6), min_size=1, max_size=40), min_size=1, max_size=6))
def test_interval_of_groups_holds_their_median(groups: list[list[float]]) -> None:
    found = grouped_interval(groups)
    values = np.concatenate([np.array(group) for group in groups])
    assert values.min() <= found.low <= np.median(values) <= found.high <= values.max()
    assert 0 <= found.confidence < 1


def test_a_long_run_takes_no_time() -> None:
    found = median_interval([float(value) for value in range(50_000)])
    assert found.confidence == pytest.approx(0.95, abs=0.001)
    assert found.high - found.low == pytest.approx(1.96 * 50_000**0.5, rel=0.01)


@pytest.mark.parametrize("own", [0.0, 0.003, 0.01])
@pytest.mark.parametrize("memory", [0.0, 0.3, 0.8])
@pytest.mark.parametrize("rounds", [3, 5])
def test_coverage_is_about_the_confidence(rounds: int, memory: float, own: float) -> None:
    rng = np.random.default_rng(1)
    machine = Machine(20.0, 0.01, memory, 0.0, own, 100, rounds)
    found = [grouped_interval(machine.stream(rng).tolist()) for _ in range(DRAWS)]
    covered = float(np.mean([one.low <= 20.0 <= one.high for one in found]))
    claimed = float(np.mean([one.confidence for one in found]))
    assert claimed > (0.7 if rounds == 3 else 0.93)
    assert covered > claimed - 0.03  # twice the standard error of 400 draws


def test_nothing_has_no_median() -> None:
    with pytest.raises(ValueError, match="no median"):
        median_interval([])


@pytest.mark.parametrize("outliers", [0.0, 0.02])
def test_coverage_holds_on_machines_of_all_kinds(outliers: float) -> None:
    rng = np.random.default_rng(2)
    held, claimed = [], []
    for _ in range(DRAWS):
        machine = replace(Machine.drawn(rng), outliers=outliers)
        found = grouped_interval(machine.stream(rng).tolist())
        held.append(found.low <= machine.median_ms <= found.high)
        claimed.append(found.confidence)
    assert np.mean(held) == pytest.approx(np.mean(claimed), abs=0.03)
