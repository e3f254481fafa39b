"""Parameters and multiply-adds of each part of the network.

The paper's "FLOPs" are multiply-adds; torch's counter gives two operations for each, so its count
is halved. Counted are convolutions and the attention's matrix products.
"""

import copy
from dataclasses import dataclass
from typing import Final

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

PARTS: Final = {
    "token_pyramid": "token pyramid module",
    "semantics_extractor": "semantics extractor",
    "semantics_injection": "semantics injection",
    "neck": "feature pyramid",
    "head": "head",
}
"""Module -> how it is called; modules without parameters are no parts."""


@dataclass(frozen=True, slots=True)
class PartCost:
    """One row: parameters, and multiply-adds for one image."""

    part: str
    parameters: int
    multiply_adds: int


def cost_by_part(network: nn.Module, height: int, width: int) -> list[PartCost]:
    """Count each part of a network for one image of height x width pixels; the last row is all."""
    # Without numbers: a detector at 1333x800 takes seconds to compute and none to count.
    sketch = copy.deepcopy(network).eval().to("meta")
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        sketch(torch.zeros(1, 3, height, width, device="meta"))
    counts = counter.get_flop_counts()
    rows = [
        PartCost(
            PARTS.get(name, name.replace("_", " ")),
            sum(p.numel() for p in part.parameters()),
            _of(counts, f"{type(network).__name__}.{name}") // 2,
        )
        for name, part in network.named_children()
        if any(True for _ in part.parameters())
    ]
    total = PartCost(
        "all", sum(row.parameters for row in rows), sum(row.multiply_adds for row in rows)
    )
    return [*rows, total]


def _of(counts: dict[str, dict[object, int]], whole: str) -> int:
    """Sum the operations of a part; a list of modules has no forward of its own, its items do."""
    if whole in counts:
        return sum(counts[whole].values())
    return sum(
        sum(operations.values())
        for module, operations in counts.items()
        if module.startswith(f"{whole}.") and module.count(".") == whole.count(".") + 1
    )
