"""Parts, borders and repeats: StridedSliceV2, PadV2, Expand; space and depth: Reorg."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, Self

import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch import Tensor

from topformer_cli.deploy.tnn.layers.record import LayerRecord

CONSTANT: Final = 0
REFLECT: Final = 1
COLUMNS_FIRST: Final = 1


@dataclass(frozen=True, slots=True)
class StridedSliceV2(LayerRecord):
    """Keep begin, begin + stride .. before end along some axes."""

    TYPE: ClassVar[str] = "StridedSliceV2"
    CODE: ClassVar[int] = 306

    begins: tuple[int, ...]
    ends: tuple[int, ...]
    axes: tuple[int, ...]
    strides: tuple[int, ...]

    def compute(self, inputs: Sequence[Tensor], weights: Sequence[Tensor]) -> Sequence[Tensor]:  # noqa: ARG002
        """Slice."""
        output = inputs[0]
        rows = zip(self.axes, self.begins, self.ends, self.strides, strict=True)
        for axis, begin, end, stride in rows:
            places = torch.arange(output.shape[axis])[begin:end:stride]
            output = output.index_select(axis, places)
        return [output]


@dataclass(frozen=True, slots=True)
class PadV2(LayerRecord):
    """Add a border of a constant, or of the mirrored values, before and after every axis."""

    TYPE: ClassVar[str] = "PadV2"
    CODE: ClassVar[int] = 316

    before: tuple[int, ...]
    after: tuple[int, ...]
    kind: int = CONSTANT
    value: float = 0.0

    def words(self) -> list[str]:
        """Return the parameters as the words of the text form; one count serves both lists."""
        words = super(PadV2, self).words()
        rank = len(self.before)
        return [*words[: rank + 1], *words[rank + 2 :]]

    @classmethod
    def parse(cls, words: Sequence[str]) -> Self:
        """Read the parameters.

        Raises:
            ValueError: a word is no number, or there are too few.
        """
        middle = 1 + int(words[0]) if words and words[0].isdecimal() else 0
        return super(PadV2, cls).parse([*words[:middle], *words[:1], *words[middle:]])

    def compute(self, inputs: Sequence[Tensor], weights: Sequence[Tensor]) -> Sequence[Tensor]:  # noqa: ARG002
        """Pad."""
        pairs = list(zip(self.before, self.after, strict=True))[::-1]
        if self.kind == CONSTANT:
            sizes = [size for pair in pairs for size in pair]
            return [F.pad(inputs[0], sizes, value=self.value)]
        spatial, others = pairs[: max(inputs[0].ndim - 2, 0)], pairs[max(inputs[0].ndim - 2, 0) :]
        if self.kind != REFLECT or any(size for pair in others for size in pair):
            message = f"kind {self.kind} of {self.before}, {self.after} is not computed here"
            raise ValueError(message)
        return [F.pad(inputs[0], [size for pair in spatial for size in pair], mode="reflect")]


@dataclass(frozen=True, slots=True)
class Expand(LayerRecord):
    """Repeat dimensions of size 1 up to a shape."""

    TYPE: ClassVar[str] = "Expand"
    CODE: ClassVar[int] = 304

    shape: tuple[int, ...]

    def compute(self, inputs: Sequence[Tensor], weights: Sequence[Tensor]) -> Sequence[Tensor]:  # noqa: ARG002
        """Repeat."""
        return [inputs[0].expand(self.shape).contiguous()]


@dataclass(frozen=True, slots=True)
class Reorg(LayerRecord):
    """Depth to space (forward 1) or back (0); mode 1 is torch's order, 0 ONNX's DCR."""

    TYPE: ClassVar[str] = "Reorg"
    CODE: ClassVar[int] = 131

    block: int
    forward: int
    given_sizes: int = 0
    mode: int = COLUMNS_FIRST

    def compute(self, inputs: Sequence[Tensor], weights: Sequence[Tensor]) -> Sequence[Tensor]:  # noqa: ARG002
        """Move blocks of [N, C, H, W] between channels and pixels."""
        n, c, h, w = inputs[0].shape
        size = self.block
        outer = self.mode == COLUMNS_FIRST
        if not self.forward:
            blocks = inputs[0].reshape(n, c, h // size, size, w // size, size)
            order = (0, 1, 3, 5, 2, 4) if outer else (0, 3, 5, 1, 2, 4)
            return [blocks.permute(order).reshape(n, c * size**2, h // size, w // size)]
        depth = c // size**2
        blocks = inputs[0].reshape(
            (n, depth, size, size, h, w) if outer else (n, size, size, depth, h, w)
        )
        order = (0, 1, 4, 2, 5, 3) if outer else (0, 3, 4, 1, 5, 2)
        return [blocks.permute(order).reshape(n, depth, h * size, w * size)]
