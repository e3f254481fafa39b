"""Resizing to a given size."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch import Tensor

from topformer_cli.deploy.tnn.layers.record import LayerRecord

NEAREST: Final = 1
BILINEAR: Final = 2


@dataclass(frozen=True, slots=True)
class Upsample(LayerRecord):
    """Resize height and width; the ratio is always input size / output size.

    Bilinear without align_corners is half-pixel with clamping at 0. The scales must be written and
    count only when no size is given.
    """

    TYPE: ClassVar[str] = "Upsample"
    CODE: ClassVar[int] = 149

    mode: int
    scale_h: float
    scale_w: float
    align_corners: int
    out_h: int
    out_w: int

    def compute(self, inputs: Sequence[Tensor], weights: Sequence[Tensor]) -> Sequence[Tensor]:  # noqa: ARG002
        """Resize [N, C, H, W]."""
        size = (self.out_h, self.out_w)
        if self.mode == NEAREST:
            return [F.interpolate(inputs[0], size=size, mode="nearest")]
        if self.mode != BILINEAR or self.align_corners not in (0, 1):
            message = f"mode {self.mode}, align_corners {self.align_corners} is not computed here"
            raise ValueError(message)
        aligned = bool(self.align_corners)
        return [F.interpolate(inputs[0], size=size, mode="bilinear", align_corners=aligned)]
