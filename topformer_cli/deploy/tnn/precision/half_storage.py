"""Weights stored as IEEE half (data type 1 of a .tnnmodel file): half the file, fp32 arithmetic.

TNN converts such a tensor when it loads a layer, to float32 on its NAIVE, X86 and ARM devices and
not at all where it computes in half. Which layers do so was read in TNN at f0cb081
(ConvertHalfResource, ConvertHalfHandle and their callers in device/cpu, device/x86, device/arm).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from topformer_cli.deploy.tnn.network import Resource

HALF_MAX: Final = 65504.0
"""The largest finite half; from 65520 on a value becomes infinite."""

STORED_IN_HALF: Final = frozenset(
    {
        "Add",
        "BatchNormCxx",
        "Convolution",
        "Deconvolution",
        "Div",
        "InnerProduct",
        "MatMul",
        "Mul",
        "PReLU",
        "Sub",
    }
)
"""Layer types whose weights all three devices accept as half; every other one keeps float32."""


@dataclass(frozen=True, slots=True)
class KeptWeights:
    """A layer that stays in float32: its largest weight does not fit into half."""

    layer: str
    type: str
    largest: float


@dataclass(frozen=True, slots=True)
class HalfStorage:
    """Weights ready to be written, and what the rounding did to them.

    kept: layers left in float32. vanished: by layer, how many weights that were not zero are zero
    now (below 2^-25).
    """

    resources: tuple[Resource, ...]
    kept: tuple[KeptWeights, ...]
    vanished: dict[str, int]


def store_half(resources: Sequence[Resource]) -> HalfStorage:
    """Round weights to half where TNN accepts it and every weight of the layer fits."""
    stored: list[Resource] = []
    kept: list[KeptWeights] = []
    vanished: dict[str, int] = {}
    for resource in resources:
        fits, largest = _can_be_half(resource), _largest(resource)
        if not fits or not largest <= HALF_MAX:
            stored.append(resource)
            if fits:
                kept.append(KeptWeights(resource.layer, resource.type, largest))
            continue
        weights = tuple(array.astype(np.float16) for array in resource.weights)
        pairs = zip(resource.weights, weights, strict=True)
        if lost := sum(int(((a != 0) & (b == 0)).sum()) for a, b in pairs):
            vanished[resource.layer] = lost
        stored.append(Resource(resource.type, resource.layer, weights))
    return HalfStorage(tuple(stored), tuple(kept), vanished)


def _can_be_half(resource: Resource) -> bool:
    floats = all(array.dtype.kind == "f" for array in resource.weights)
    return resource.type in STORED_IN_HALF and floats


def _largest(resource: Resource) -> float:
    return max((float(np.abs(array).max()) for array in resource.weights if array.size), default=0)
