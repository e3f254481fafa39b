"""Sums over the items of a split, as small as they can be kept."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from topformer_cli.data.checks.alike import CELLS, Cells
from topformer_cli.data.checks.look import Look
from topformer_cli.data.findings import Finding


@dataclass(slots=True)
class Totals:
    """What a row of items came to.

    items is how many there are, labelled of how many the labels could be read. rows, digests and
    cells [n, 64] are of the images that could be read (see alike.py). counts and images: by
    label, as in `Look`, and in how many images each occurs.
    """

    items: int = 0
    labelled: int = 0
    findings: list[Finding] = field(default_factory=list)
    rows: list[NDArray[np.int64]] = field(default_factory=list)
    digests: list[NDArray[np.uint64]] = field(default_factory=list)
    cells: list[Cells] = field(default_factory=list)
    counts: NDArray[np.int64] = field(default_factory=lambda: np.zeros(1, np.int64))
    images: NDArray[np.int64] = field(default_factory=lambda: np.zeros(1, np.int64))
    ignored: int = 0

    @classmethod
    def of(cls, looks: Sequence[Look], start: int) -> "Totals":
        """Sum up a batch whose first item has the index `start` in its split."""
        seen = [(start + row, one.likeness) for row, one in enumerate(looks) if one.likeness]
        counts = [one.counts for one in looks if one.counts is not None]
        table = np.stack(counts) if counts else np.zeros((1, 1), np.int64)
        return cls(
            items=len(looks),
            labelled=len(counts),
            findings=[finding for one in looks for finding in one.findings],
            rows=[np.array([row for row, _ in seen], np.int64)],
            digests=[np.array([one.digest for _, one in seen], np.uint64)],
            cells=[np.array([one.cells for _, one in seen], np.float16).reshape(-1, CELLS**2)],
            counts=table.sum(axis=0),
            images=(table > 0).sum(axis=0),
            ignored=sum(one.ignored for one in looks),
        )

    def add(self, other: "Totals") -> None:
        """Take in a batch, all but its findings."""
        self.items += other.items
        self.labelled += other.labelled
        self.rows += other.rows
        self.digests += other.digests
        self.cells += other.cells
        self.counts = self.counts + other.counts
        self.images = self.images + other.images
        self.ignored += other.ignored
