"""COCO's run lengths, written: plain counts, and the compressed text of its mask API."""

import numpy as np
from numpy.typing import NDArray


def plain_runs(mask: NDArray[np.bool_]) -> list[int]:
    """Return the lengths of the runs in column order, the first of zeros."""
    flat = np.concatenate([[False], mask.ravel(order="F"), [not mask.ravel(order="F")[-1]]])
    edges = np.flatnonzero(flat[1:] != flat[:-1])
    return [int(length) for length in np.diff(np.concatenate([[0], edges]))]


def compressed_runs(mask: NDArray[np.bool_]) -> str:
    """Return the runs as text: from the fourth on as differences, five bits a character."""
    runs = plain_runs(mask)
    text = []
    for index, length in enumerate(runs):
        value = length - runs[index - 2] if index > 2 else length
        while True:
            bits, value = value & 0x1F, value >> 5
            more = value != (-1 if bits & 0x10 else 0)
            text.append(chr((bits | 0x20 if more else bits) + 48))
            if not more:
                break
    return "".join(text)
