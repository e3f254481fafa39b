"""Finds images that are the same file, or look the same, by a few bytes of each."""

import functools
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from topformer_cli.data.lint import ImageFacts

CELLS: Final = 8
"""An image is reduced to so many cells a side."""

_NEAR: Final = 0.15
"""Standard deviations by which each cell may differ. Photographs saved again at quality 40 or
halved differ by 0.12 at most; among 176 of COCO, and between the parts of CamVid, the nearest two
are 0.87 apart."""

_PLAIN: Final = 6.0
"""Grey levels of standard deviation under which an image has too little in it to be compared."""

_BLOCK: Final = 20_000

Cells = NDArray[np.float16]
Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Likeness:
    """What an image is compared by.

    digest is of the file. cells are [64] mean grey levels, less their mean and divided by their
    standard deviation; NaN if the image is plain.
    """

    digest: int
    cells: Cells


def likeness(data: bytes, facts: ImageFacts) -> Likeness:
    """Return what an image file is compared by."""
    digest = int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "little")
    rows = _weights(facts.small.shape[0], facts.eighths, facts.height)
    columns = _weights(facts.small.shape[1], facts.eighths, facts.width)
    cells = (rows @ facts.small.astype(np.float32) @ columns.T).ravel()
    spread = float(cells.std())
    if spread < _PLAIN:
        return Likeness(digest, np.full(CELLS * CELLS, np.nan, np.float16))
    return Likeness(digest, ((cells - cells.mean()) / spread).astype(np.float16))


def same_files(digests: NDArray[np.uint64]) -> Iterator[Rows]:
    """Yield the places of files that are the same, at least two at a time."""
    order = np.argsort(digests, kind="stable")
    ends = np.flatnonzero(np.diff(digests[order])) + 1
    for group in np.split(order, ends):
        if len(group) > 1:
            yield group


def much_alike(first: Cells, second: Cells) -> Iterator[tuple[int, int]]:
    """Yield the places of images of two splits that look the same, each of the larger split once.

    The smaller split is put into a tree, which the other is compared with in blocks: memory
    depends on the smaller one only.
    """
    if len(first) < len(second):
        yield from ((a, b) for b, a in much_alike(second, first))
        return
    usable = np.flatnonzero(~np.isnan(second[:, 0]))
    if not len(usable):
        return
    tree = KDTree(second[usable])
    for start in range(0, len(first), _BLOCK):
        block = np.flatnonzero(~np.isnan(first[start : start + _BLOCK, 0])) + start
        distances, nearest = tree.query(first[block], p=np.inf, distance_upper_bound=_NEAR)
        for row in np.flatnonzero(np.isfinite(distances)):
            yield int(block[row]), int(usable[nearest[row]])


@functools.lru_cache(maxsize=4096)
def _weights(count: int, eighths: int, size: int) -> NDArray[np.float32]:
    """Return [CELLS, count] weights by which pixels that cover a side of `size` make up cells.

    Each pixel covers 8 / eighths of the side's; the last one may end beyond it.
    """
    edges = np.minimum(np.arange(count + 1) * 8 / eighths, size)
    cells = np.linspace(0, size, CELLS + 1)[:, None]
    overlap = np.minimum(edges[1:], cells[1:]) - np.maximum(edges[:-1], cells[:-1])
    overlap = np.maximum(overlap, 0)
    return np.asarray(overlap / overlap.sum(axis=1, keepdims=True), np.float32)
