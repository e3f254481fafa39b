"""Reductions over axes, and where the largest value stands."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import torch
from torch import Tensor

from topformer_cli.deploy.tnn.layers.record import LayerRecord


@dataclass(frozen=True, slots=True)
class _Reduction(LayerRecord):
    """keep_dims, then the axes without their number.

    TNN on ARM prepares ReduceL1, L2, LogSum, LogSumExp and SumSquare inside the input, which other
    layers may still read: those are composed of others here.
    """

    keep_dims: int
    axes: tuple[int, ...]

    def words(self) -> list[str]:
        """Return the parameters as the words of the text form."""
        return [str(self.keep_dims), *map(str, self.axes)]

    @classmethod
    def parse(cls, words: Sequence[str]) -> Self:
        """Read the parameters.

        Raises:
            ValueError: a word is no integer.
        """
        # The axes get the count that every other list has.
        return super(_Reduction, cls).parse([*words[:1], str(len(words[1:])), *words[1:]])


@dataclass(frozen=True, slots=True)
class ReduceMean(_Reduction):
    """The mean."""

    TYPE: ClassVar[str] = "ReduceMean"
    CODE: ClassVar[int] = 169

    def compute(self, inputs: Sequence[Tensor], weights: Sequence[Tensor]) -> Sequence[Tensor]:  # noqa: ARG002
        """Average."""
        return [inputs[0].mean(self.axes, keepdim=bool(self.keep_dims))]


@dataclass(frozen=True, slots=True)
class ReduceSum(_Reduction):
    """The sum."""

    TYPE: ClassVar[str] = "ReduceSum"
    CODE: ClassVar[int] = 133

    def compute(self, inputs: Sequence[Tensor], weights: Sequence[Tensor]) -> Sequence[Tensor]:  # noqa: ARG002
        """Add up."""
        return [inputs[0].sum(self.axes, keepdim=bool(self.keep_dims))]


@dataclass(frozen=True, slots=True)
class ReduceMax(_Reduction):
    """The largest value."""

    TYPE: ClassVar[str] = "ReduceMax"
    CODE: ClassVar[int] = 177

    def compute(self, inputs: Sequence[Tensor], weights: Sequence[Tensor]) -> Sequence[Tensor]:  # noqa: ARG002
        """Take the largest."""
        return [inputs[0].amax(self.axes, keepdim=bool(self.keep_dims))]


@dataclass(frozen=True, slots=True)
class ReduceMin(_Reduction):
    """The smallest value."""

    TYPE: ClassVar[str] = "ReduceMin"
    CODE: ClassVar[int] = 192

    def compute(self, inputs: Sequence[Tensor], weights: Sequence[Tensor]) -> Sequence[Tensor]:  # noqa: ARG002
        """Take the smallest."""
        return [inputs[0].amin(self.axes, keepdim=bool(self.keep_dims))]


@dataclass(frozen=True, slots=True)
class ArgMaxOrMin(LayerRecord):
    """The place of the largest (mode 1) or smallest value; int32, the first of equals."""

    TYPE: ClassVar[str] = "ArgMaxOrMin"
    CODE: ClassVar[int] = 199

    mode: int
    axis: int
    keep_dims: int
    select_last: int = 0

    def compute(self, inputs: Sequence[Tensor], weights: Sequence[Tensor]) -> Sequence[Tensor]:  # noqa: ARG002
        """Find the place."""
        if self.select_last or self.mode not in (0, 1):
            message = f"mode {self.mode}, select_last {self.select_last} is not computed here"
            raise ValueError(message)
        find = torch.argmax if self.mode else torch.argmin
        return [find(inputs[0], self.axis, keepdim=bool(self.keep_dims)).to(torch.int32)]
