"""Batches over groups: nothing is left out, nothing is mixed, and the step decides alone."""

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from topformer_cli.data.order import Order

sizes = st.tuples(st.integers(1, 12), st.integers(1, 12))


def order(groups: tuple[int, ...], batch: int, seed: int = 0) -> Order:
    """Groups of consecutive numbers of the given lengths."""
    edges = np.cumsum((0, *groups))
    members = tuple(np.arange(start, stop) for start, stop in itertools.pairwise(edges))
    return Order(members, batch, seed)


def test_one_group_is_permutation_after_permutation() -> None:
    one = order((5,), 3, seed=7)
    stream = [index for step in range(10) for index in one.indices(step)]
    epochs = [stream[start : start + 5] for start in range(0, 30, 5)]
    assert all(sorted(epoch) == [0, 1, 2, 3, 4] for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) > 1
    # As ever: a training that an earlier version began goes on in the same order.
    assert epochs[2] == np.random.default_rng((7, 0, 2)).permutation(5).tolist()


@given(sizes, st.integers(1, 7), st.integers(0, 20))
def test_batches_do_not_mix_groups(groups: tuple[int, int], batch: int, step: int) -> None:
    chosen = order(groups, batch).indices(step)
    assert len(chosen) == batch
    assert len({index < groups[0] for index in chosen}) == 1


@given(sizes, st.integers(1, 5))
def test_every_image_is_seen_as_often_as_any_other(groups: tuple[int, int], batch: int) -> None:
    both = order(groups, batch)
    steps = sum(groups) * 3
    counts = np.bincount(
        [index for step in range(steps) for index in both.indices(step)], minlength=sum(groups)
    )
    assert counts.min() == counts.max() == 3 * batch


@given(sizes, st.integers(1, 5), st.integers(0, 40))
def test_a_step_does_not_depend_on_those_before_it(
    groups: tuple[int, int], batch: int, step: int
) -> None:
    walked = order(groups, batch)
    for earlier in range(step):
        walked.indices(earlier)
    assert walked.indices(step) == order(groups, batch).indices(step)


def test_seed_and_group_change_the_order() -> None:
    assert order((9, 9), 9).indices(0) != order((9, 9), 9, seed=1).indices(0)
    both = order((9, 9), 9)
    first, second = both.indices(0), both.indices(1)
    assert sorted(first + second) == list(range(18))
    assert [index % 9 for index in first] != [index % 9 for index in second]
