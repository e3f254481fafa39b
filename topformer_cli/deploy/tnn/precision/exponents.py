"""Choosing exponents: blobs in groups of one exponent, pinned groups, and sums of exponents."""

import math
from collections.abc import Mapping, Sequence
from typing import Final

from topformer_cli.deploy.tnn.network import Network
from topformer_cli.deploy.tnn.precision.scaling import Binding

_SWEEPS: Final = 100
_SMALLEST: Final = -100
"""No blob is blown up further than by 2^100."""


class Groups:
    """Blobs joined by equal exponents, the pinned groups, and the sums between groups."""

    def __init__(self, network: Network, bindings: Sequence[Binding]) -> None:
        self._parent = {name: name for name in network.blobs}
        self._pinned: dict[str, str] = {}
        self._totals: list[tuple[str, str, str]] = []
        self._bound: dict[str, str] = {}
        for blob in network.inputs:
            self._pin(blob.name, f"{blob.name!r} is an input of the network")
        for layer, binding in zip(network.layers, bindings, strict=True):
            for name in binding.zero:
                self._pin(name, f"{layer.record.TYPE} {layer.name!r} needs its true values")
            for name in binding.equal[1:]:
                self._join(binding.equal[0], name)
            if binding.total:
                self._totals.append(binding.total)
        for name in network.outputs:
            self._pin(name, f"{name!r} is an output of the network")
        self._simplify()

    def reason(self, blob: str) -> str:
        """Say why the group of a blob cannot shrink further."""
        root = self._find(blob)
        return self._pinned.get(root) or self._bound.get(root, "no exponents satisfy its products")

    def solve(self, seen: Mapping[str, float], limit: float) -> dict[str, int]:
        """Return an exponent for every blob that keeps to all demands."""
        need = dict.fromkeys(map(self._find, self._parent), _SMALLEST)
        for name, value in seen.items():
            if value > 0:
                root = self._find(name)
                need[root] = max(need[root], math.ceil(math.log2(value / limit)))
        chosen = {root: 0 if root in self._pinned else max(0, low) for root, low in need.items()}
        for _ in range(_SWEEPS):
            repaired = [self._repair(total, chosen, need) for total in self._totals]
            if not any(repaired):
                break
        else:
            chosen = dict.fromkeys(chosen, 0)
        return {name: chosen[self._find(name)] for name in self._parent}

    def _repair(
        self, total: tuple[str, str, str], chosen: dict[str, int], need: Mapping[str, int]
    ) -> bool:
        """Make one sum right; say whether anything changed."""
        left, right, product = map(self._find, total)
        product_name = total[2]
        excess = chosen[left] + chosen[right] - chosen[product]
        if not excess:
            return False
        if excess > 0 and product not in self._pinned:
            chosen[product] += excess
            return True
        free = [root for root in (left, right) if root not in self._pinned]
        if excess < 0:
            chosen[max(free, key=lambda root: need[root])] -= excess
            return True
        free.sort(key=lambda root: need[root] - chosen[root])
        for root in free:
            step = min(excess, max(0, chosen[root] - need[root]))
            chosen[root] -= step
            excess -= step
        for place, root in enumerate(free):
            # More than they have: both sides bear their part and will be named.
            part = excess - excess // len(free) if place == 0 else excess // len(free)
            chosen[root] -= part
            if part:
                self._bound[root] = (
                    f"its product {product_name!r} cannot shrink: " + (self._pinned[product])
                )
        return True

    def _simplify(self) -> None:
        """Turn sums with a pinned or repeated member into equalities until none is left."""
        waiting = self._totals
        while True:
            kept = [total for total in waiting if not self._settle(*map(self._find, total))]
            if len(kept) == len(waiting):
                self._totals = kept
                return
            waiting = kept

    def _settle(self, left: str, right: str, product: str) -> bool:
        if left == right:
            # x * x: twice an exponent; not worth its own case.
            self._pin(left, "it is multiplied by itself")
            self._pin(product, "it is a square")
        elif product in (left, right):
            self._pin(left if product == right else right, "it multiplies what its product joins")
        elif left in self._pinned:
            self._join(right, product)
        elif right in self._pinned:
            self._join(left, product)
        else:
            return False
        return True

    def _find(self, name: str) -> str:
        while self._parent[name] != name:
            self._parent[name] = name = self._parent[self._parent[name]]
        return name

    def _pin(self, name: str, reason: str) -> None:
        self._pinned.setdefault(self._find(name), reason)

    def _join(self, one: str, other: str) -> None:
        root, child = self._find(one), self._find(other)
        if root == child:
            return
        self._parent[child] = root
        if child in self._pinned:
            self._pinned.setdefault(root, self._pinned.pop(child))
