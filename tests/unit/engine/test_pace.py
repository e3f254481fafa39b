"""The clock of a training: who waited, and what is still to come."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.engine.conftest import short_recipe
from topformer_cli.engine import pace as module
from topformer_cli.engine.pace import Pace, evaluations_left


class Clock:
    """A time that passes only when told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def perf_counter(self) -> float:
        return self.now

    def passes(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


def late_batches(clock: Clock, seconds: float) -> Iterator[int]:
    for number in range(1000):
        clock.passes(seconds)
        yield number


def test_waiting_is_told_from_working_and_evaluations_from_steps(clock: Clock) -> None:
    pace = Pace(short_recipe("schedule.iterations=100", "evaluation.every=40"))
    batches = pace.timed(late_batches(clock, 1.0))
    for _ in range(10):
        next(batches)
        clock.passes(3.0)
    with pace.evaluating():
        clock.passes(500.0)
    window = pace.window()
    assert (window.steps, window.seconds, window.waited) == (10, 40.0, 10.0)
    assert window.wait_share == 0.25
    assert window.steps_per_s == 0.25


def test_the_time_left_forgets_the_first_steps_and_counts_evaluations(clock: Clock) -> None:
    pace = Pace(short_recipe("schedule.iterations=100", "evaluation.every=40"))
    assert pace.seconds_left(0) is None
    batches = pace.timed(late_batches(clock, 0.0))
    for seconds, step, left in ((60.0, 10, 5400.0), (2.0, 20, 160.0), (4.0, 30, 210.0)):
        for _ in range(10):
            next(batches)
            clock.passes(seconds)
        pace.window()
        assert pace.seconds_left(step) == pytest.approx(left)
    with pace.evaluating():
        clock.passes(7.0)
    # 60 steps of 3 s; evaluations after this one, after 80 and after 100.
    assert pace.seconds_left(40) == pytest.approx(180 + 3 * 7)
    assert pace.seconds_left(41) == pytest.approx(177 + 2 * 7)
    assert pace.seconds_left(100) == pytest.approx(7)


@given(st.integers(1, 200), st.integers(1, 60), st.integers(0, 250))
def test_evaluations_left_are_those_that_the_loop_makes(
    iterations: int, every: int, step: int
) -> None:
    step = min(step, iterations)
    made = [one for one in range(1, iterations + 1) if one % every == 0 or one == iterations]
    assert evaluations_left(step, iterations, every) == sum(one >= step for one in made)
