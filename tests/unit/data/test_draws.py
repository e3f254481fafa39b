"""Numbers of a sample: what they are a function of, and what their layout says."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.draws import draw
from topformer_cli.data.draws import (
    COLOURS,
    CROP_TRIES,
    CROPS,
    DRAWS,
    FLIP,
    RATIO,
    whole,
)

SEEDS, POSITIONS = st.integers(0, 2**64 - 1), st.integers(0, 2**40)


@given(SEEDS, POSITIONS, st.integers(1, 40))
def test_fewer_numbers_are_the_first_of_more(seed: int, position: int, count: int) -> None:
    numbers = draw(seed, position, 40)
    assert np.array_equal(draw(seed, position, count), numbers[:count])
    assert ((numbers >= 0) & (numbers < 1)).all()


@given(SEEDS, POSITIONS)
def test_seed_and_position_both_count(seed: int, position: int) -> None:
    numbers = draw(seed, position, 4)
    assert not np.array_equal(numbers, draw(seed, position + 1, 4))
    assert not np.array_equal(numbers, draw(seed ^ 1, position, 4))


def test_numbers_are_the_generators_that_the_text_names() -> None:
    bits = np.random.Philox(key=np.array([5, 1], np.uint64), counter=[0, 0, 9, 0]).random_raw(6)
    assert np.array_equal(draw(5, 9, 6), (bits >> np.uint64(11)) / 2**53)


def test_numbers_of_neighbours_are_uniform_and_do_not_hang_together() -> None:
    numbers = np.array([draw(0, position, DRAWS) for position in range(4000)])
    assert numbers.mean(0) == pytest.approx(np.full(DRAWS, 0.5), abs=0.025)
    assert numbers.std(0) == pytest.approx(np.full(DRAWS, 12**-0.5), abs=0.01)
    off = np.corrcoef(np.hstack((numbers[1:], numbers[:-1])).T) - np.eye(2 * DRAWS)
    assert np.abs(off).max() < 0.08


def test_layout_gives_each_number_one_meaning() -> None:
    places = np.arange(DRAWS)
    used = [RATIO, FLIP, *places[COLOURS], *places[CROPS]]
    assert sorted(used) == places.tolist()
    assert len(places[CROPS]) == 2 * (CROP_TRIES + 1)


@given(st.floats(0, 1, exclude_max=True), st.integers(1, 10_000))
def test_whole_numbers_stay_below_their_count(uniform: float, count: int) -> None:
    assert 0 <= whole(uniform, count) < count
