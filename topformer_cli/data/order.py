"""Which images each batch of a training takes: a function of the seed and the step alone."""

import functools
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

_ORDER: Final = 0

Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Order:
    """An endless row of batches over one or two groups of images, which no batch mixes.

    Each group is gone through in permutations of its own, one after another; a batch may end one
    and begin the next, so that a group smaller than a batch works too. The groups take turns in
    proportion to their sizes, so that every image is seen as often as any other.
    """

    groups: tuple[Indices, ...]
    batch: int
    seed: int

    def indices(self, step: int) -> list[int]:
        """Return the indices of the images of a step, counted from 0."""
        group, turn = self._turn(step)
        members = self.groups[group]
        chosen = []
        for position in range(turn * self.batch, (turn + 1) * self.batch):
            epoch, place = divmod(position, len(members))
            order = _permutation((self.seed, _ORDER, epoch, group), len(members))
            chosen.append(int(members[order[place]]))
        return chosen

    def members(self, step: int) -> Indices:
        """Return the group whose turn a step is."""
        return self.groups[self._turn(step)[0]]

    def _turn(self, step: int) -> tuple[int, int]:
        """Return whose turn a step is, and how many turns that group had before."""
        second = sum(len(group) for group in self.groups[1:])
        total = second + len(self.groups[0])
        before, after = step * second // total, (step + 1) * second // total
        return (1, before) if after > before else (0, step - before)


@dataclass(frozen=True, slots=True)
class Portion:
    """What one process takes of each batch: the rank-th of size slices of every part.

    A part is a run of neighbours in the batch, and all processes work on one part at a time: with
    as many parts, any number of processes computes the same.
    """

    rank: int = 0
    size: int = 1
    parts: int = 1

    def of(self, part: int, batch: int) -> range:
        """Return the places in a batch of what is taken of a part; they must divide it evenly."""
        images = batch // (self.size * self.parts)
        first = (part * self.size + self.rank) * images
        return range(first, first + images)


@functools.lru_cache(maxsize=4)
def _permutation(seed: tuple[int, ...], length: int) -> NDArray[Any]:
    return np.random.default_rng(seed).permutation(length)
