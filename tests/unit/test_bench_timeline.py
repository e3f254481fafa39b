from dataclasses import replace

import numpy as np
import pytest

from tests.fakes.sample_streams import Machine, with_samples
from topformer_cli.results import Round
from topformer_cli.results.timeline import moments, starts, sustained


def minutes(of_ms: list[float], seed: int = 0) -> tuple[Round, ...]:
    """Return one round of 20 s for each level, with 1 % noise."""
    rng = np.random.default_rng(seed)
    rows = [Machine(ms, 0.01, 0.3, 0.0, 0.0, int(20_000 / ms), 1) for ms in of_ms]
    return tuple(one for row in rows for one in with_samples(row.stream(rng)))


def test_rounds_stand_where_the_runner_says_they_began() -> None:
    rounds = [replace(Round(2, 10, 10, 10, (10.0, 10.0)), started_s=100 + 5 * i) for i in range(3)]
    assert starts(rounds) == [0, 5, 10]
    assert [round(one.at_s, 3) for one in moments(rounds)] == [0, 0.01, 5, 5.01, 10, 10.01]


def test_without_a_clock_they_follow_with_their_pauses() -> None:
    rounds = [Round(100, 10, 10, 10, waited_s=7), Round(100, 10, 10, 10, waited_s=2)]
    assert starts(rounds) == [0, 3]
    assert [(one.at_s, one.ms, one.round) for one in moments(rounds)] == [(0, 10, 0), (3, 10, 1)]


def test_even_speed_holds_out() -> None:
    found = sustained(minutes([40.0] * 15))
    assert found is not None
    assert found.ratio == pytest.approx(1.0, abs=0.01)
    assert found.drop_s is None
    assert found.seconds == pytest.approx(300, rel=0.01)
    assert "never 5 % slower" in found.describe()


def test_the_drop_is_found_where_it_is() -> None:
    found = sustained(minutes([40.0] * 9 + [48.0] * 6))
    assert found is not None
    assert (found.ends_s, found.window_s) == (60, 10)
    assert found.ratio == pytest.approx(1.2, abs=0.01)
    assert found.drop_s == pytest.approx(180, abs=10)
    assert "1.20x), 5 % slower from 180 s on" in found.describe()


def test_one_slow_window_is_no_drop() -> None:
    rounds = list(minutes([40.0] * 15))
    slow = tuple(ms * 1.3 if index > 250 else ms for index, ms in enumerate(rounds[7].samples_ms))
    rounds[7] = replace(rounds[7], samples_ms=slow)
    found = sustained(rounds)
    assert found is not None
    assert found.drop_s is None


def test_short_runs_compare_their_thirds_and_nothing_gives_nothing() -> None:
    found = sustained(minutes([40.0, 40.0, 60.0]))
    assert found is not None
    assert found.ends_s == pytest.approx(20, abs=1)
    assert found.ratio == pytest.approx(1.5, abs=0.02)
    assert sustained([]) is None
    assert sustained([Round(1, 10, 10, 10)] * 2) is None
