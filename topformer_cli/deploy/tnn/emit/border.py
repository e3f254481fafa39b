"""Borders of any axes, in the form that TNN has on every device."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from topformer_cli.deploy.tnn.emit.node import Chain, require
from topformer_cli.deploy.tnn.emit.shape import to_shape
from topformer_cli.deploy.tnn.layers.parts import CONSTANT, PadV2

_RANK: Final = 4
_LEAST: Final = 3


@dataclass(frozen=True, slots=True)
class Border:
    """How many values come before and after each axis, and which."""

    before: tuple[int, ...]
    after: tuple[int, ...]
    kind: int = CONSTANT
    value: float = 0.0


def bordered(chain: Chain, blob: str, shape: Sequence[int], border: Border) -> str:
    """Add layers that put a border around a value of the given shape, and return its name.

    TNN pads the batch only alone, computes two and five dimensions wrongly on ARM and five not at
    all on X86, and mirrors height and width only. Another form is brought into this one by joining
    axes that have no border.
    """
    first = 1 if border.kind == CONSTANT else 2
    plain = not any(border.before[:first] + border.after[:first])
    if plain and _LEAST <= len(shape) <= _RANK:
        return chain.add(_layer(border, border.before, border.after), blob)
    sizes, before, after = _joined(shape, border)
    lead = max(first - _unpadded(before, after), _LEAST - len(sizes), 0)
    sizes, before, after = [1] * lead + sizes, [0] * lead + before, [0] * lead + after
    around = f"{border.before}, {border.after} around {list(shape)}"
    require(len(sizes) <= _RANK, f"a border of {around}")
    made = chain.add(_layer(border, before, after), chain.add(to_shape(*sizes), blob))
    whole = [sum(three) for three in zip(shape, border.before, border.after, strict=True)]
    return chain.add(to_shape(*whole), made)


def _layer(border: Border, before: Sequence[int], after: Sequence[int]) -> PadV2:
    return PadV2(tuple(before), tuple(after), border.kind, border.value)


def _joined(shape: Sequence[int], border: Border) -> tuple[list[int], list[int], list[int]]:
    """Join neighbouring axes that have no border."""
    rows: list[tuple[int, int, int]] = []
    for row in zip(shape, border.before, border.after, strict=True):
        if rows and not any(row[1:]) and not any(rows[-1][1:]):
            rows[-1] = (math.prod((rows[-1][0], row[0])), 0, 0)
        else:
            rows.append(row)
    sizes, before, after = (list(column) for column in zip(*rows, strict=True))
    return sizes, before, after


def _unpadded(before: Sequence[int], after: Sequence[int]) -> int:
    """Return how many axes at the front have no border."""
    pairs = list(zip(before, after, strict=True))
    return next((place for place, pair in enumerate(pairs) if any(pair)), len(pairs))
