"""Borders of any axes, in the form that TNN has on every device."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from topformer_cli.deploy.tnn.emit.node import Chain
from topformer_cli.deploy.tnn.emit.shape import to_shape
from topformer_cli.deploy.tnn.layers.parts import CONSTANT, PadV2

_RANKS: Final = (3, 4)
_CHANNELS_BEFORE: Final = 4


@dataclass(frozen=True, slots=True)
class Border:
    """How many values come before and after each axis, and which."""

    before: tuple[int, ...]
    after: tuple[int, ...]
    kind: int = CONSTANT
    value: float = 0.0

    def plain(self) -> bool:
        """Whether TNN computes it rightly on every device.

        Two and five dimensions are wrong on ARM, as are more than four channels in front; five are
        missing on X86; the batch can be extended only alone, and channels cannot be mirrored.
        """
        channels = self.before[1:2] + self.after[1:2]
        most = _CHANNELS_BEFORE if self.kind == CONSTANT else 0
        fits = channels[:1] <= (most,) and (self.kind == CONSTANT or not any(channels))
        return len(self.before) in _RANKS and not self.before[0] + self.after[0] and fits


def bordered(chain: Chain, blob: str, shape: Sequence[int], border: Border) -> str:
    """Add layers that put a border around a value of the given shape, and return its name.

    What TNN does not do in one step is done axis by axis, each of them as the height of a map.
    """
    if border.plain():
        return chain.add(PadV2(border.before, border.after, border.kind, border.value), blob)
    sizes = list(shape)
    for axis, (before, after) in enumerate(zip(border.before, border.after, strict=True)):
        if before or after:
            as_height = 1, math.prod(sizes[:axis]), sizes[axis], math.prod(sizes[axis + 1 :])
            record = PadV2((0, 0, before, 0), (0, 0, after, 0), border.kind, border.value)
            blob = chain.add(record, chain.add(to_shape(*as_height), blob))
            sizes[axis] += before + after
    return chain.add(to_shape(*sizes), blob)
