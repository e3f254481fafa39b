"""What differs between two TNN networks, layer by layer.

Layers are matched in order by what they compute (type, parameters, output shapes), not by their
names: two converters call the same layer differently.
"""

from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Final, Literal

from topformer_cli.deploy.tnn.describe import LayerDescription, TnnDescription
from topformer_cli.errors import ExportError

MAX_LAYERS: Final = 5_000
"""Matching takes the square of it."""

Kind = Literal["added", "removed", "changed"]
Layers = Sequence[LayerDescription]


@dataclass(frozen=True, slots=True)
class Change:
    """A layer that only one network has, or that both have with other parameters or shapes."""

    kind: Kind
    before: LayerDescription | None
    after: LayerDescription | None


@dataclass(frozen=True, slots=True)
class Amount:
    """A number of each network; None where it is not known."""

    what: str
    before: int | None
    after: int | None


@dataclass(frozen=True, slots=True)
class TnnDifference:
    """Totals, layers by type where the counts differ, and the layers that are not the same.

    same counts the layers that both have; other_weights those of them whose weights differ, None
    where a network has no weights beside it.
    """

    totals: tuple[Amount, ...]
    types: tuple[Amount, ...]
    changes: tuple[Change, ...]
    same: int
    other_weights: int | None


def diff(before: TnnDescription, after: TnnDescription) -> TnnDifference:
    """Compare two networks.

    Raises:
        ExportError: one has more layers than can be matched.
    """
    for one in (before, after):
        if len(one.layers) > MAX_LAYERS:
            message = f"{one.proto}: {len(one.layers)} layers, a difference takes {MAX_LAYERS}"
            raise ExportError(message)
    same: list[tuple[LayerDescription, LayerDescription]] = []
    changes: list[Change] = []
    for tag, left, right in _matched(before.layers, after.layers, _computes):
        if tag == "equal":
            same.extend(zip(left, right, strict=True))
        else:
            changes.extend(_changes(left, right))
    known = before.model_bytes is not None and after.model_bytes is not None
    return TnnDifference(
        totals=_totals(before, after),
        types=_types(before.layers, after.layers),
        changes=tuple(changes),
        same=len(same),
        other_weights=sum(a.digest != b.digest for a, b in same) if known else None,
    )


def _computes(layer: LayerDescription) -> Hashable:
    return layer.type, layer.parameters, layer.shapes


def _matched(
    before: Layers, after: Layers, what: Callable[[LayerDescription], Hashable]
) -> Iterator[tuple[str, Layers, Layers]]:
    """Yield stretches of both that match by what, and those between, in order."""
    numbers: dict[Hashable, int] = {}
    old, new = (
        [numbers.setdefault(what(one), len(numbers)) for one in side] for side in (before, after)
    )
    # autojunk would leave out what comes often, and the commonest layers are the network.
    matcher = SequenceMatcher(None, old, new, autojunk=False)
    for tag, a0, a1, b0, b1 in matcher.get_opcodes():
        yield tag, before[a0:a1], after[b0:b1]


def _changes(before: Layers, after: Layers) -> Iterator[Change]:
    """Pair the layers of a stretch that is not the same by their types."""
    for tag, left, right in _matched(before, after, lambda one: one.type):
        if tag == "equal":
            yield from (Change("changed", a, b) for a, b in zip(left, right, strict=True))
        else:
            yield from (Change("removed", one, None) for one in left)
            yield from (Change("added", None, one) for one in right)


def _types(before: Layers, after: Layers) -> tuple[Amount, ...]:
    old, new = (Counter(one.type for one in side) for side in (before, after))
    return tuple(
        Amount(kind, old[kind], new[kind])
        for kind in sorted(old | new, key=lambda kind: (-max(old[kind], new[kind]), kind))
        if old[kind] != new[kind]
    )


def _totals(before: TnnDescription, after: TnnDescription) -> tuple[Amount, ...]:
    return (
        Amount("layers", len(before.layers), len(after.layers)),
        Amount("multiply-adds", before.multiply_adds, after.multiply_adds),
        Amount("weights", before.weights, after.weights),
        Amount(".tnnproto bytes", before.proto_bytes, after.proto_bytes),
        Amount(".tnnmodel bytes", before.model_bytes, after.model_bytes),
    )
