"""The processes that train together.

Each process computes a part of the global batch; what they share travels in one all-reduce a step.
The networks are small (5 to 20 MB of gradients), so there is nothing to gain from sending parts of
it while others are computed, and the loop keeps the plain network.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch import Tensor

from topformer_cli.errors import LostProcessError, TopformerError, exit_code_of

Value = TypeVar("Value")


class FailedElsewhere(SystemExit):
    """The first process failed and says why; this one ends with its exit code, in silence."""


@contextlib.contextmanager
def exchange() -> Iterator[None]:
    """Name the cause where a message between processes fails: another one is gone.

    Raises:
        LostProcessError: instead of torch's error.
    """
    try:
        yield
    except RuntimeError as error:
        said = str(error).splitlines()[0]
        message = (
            f"another process of this training is gone, or silent for too long ({said}); the last "
            "saved state is whole: go on with `topformer train --resume auto`"
        )
        raise LostProcessError(message) from error


@dataclass(frozen=True, slots=True)
class World:
    """This process's place among all: rank of size, and its place local on this machine.

    talk and patient are gloo groups for what lies on the host; in the second nobody is in a hurry.
    """

    rank: int = 0
    size: int = 1
    local: int = 0
    talk: Any = field(default=None, repr=False, compare=False)
    patient: Any = field(default=None, repr=False, compare=False)

    @property
    def first(self) -> bool:
        """Whether this is the process that writes and speaks."""
        return self.rank == 0

    def add_up(self, tensors: Sequence[Tensor]) -> None:
        """Replace tensors of one type by their sums over all processes, in one message."""
        if self.size == 1:
            return
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        with exchange():
            dist.all_reduce(flat)
        sums = torch.split(flat, [tensor.numel() for tensor in tensors])
        for tensor, summed in zip(tensors, sums, strict=True):
            tensor.copy_(summed.view(tensor.shape))

    def counted(self, counts: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the sum of counts over all processes."""
        if self.size == 1:
            return counts
        summed = torch.from_numpy(counts.copy())
        with exchange():
            dist.all_reduce(summed, group=self.talk)
        return summed.numpy()

    def gathered(self, value: Value) -> list[Value]:
        """Return the values of all processes, by rank."""
        if self.size == 1:
            return [value]
        values: list[Any] = [None] * self.size
        with exchange():
            dist.all_gather_object(values, value, group=self.talk)
        return values

    def dealt(self, values: Sequence[Value]) -> list[Value]:
        """Put together the list of which every process has the share [rank::size]."""
        shares = self.gathered(list(values))
        total = sum(len(share) for share in shares)
        return [shares[index % self.size][index // self.size] for index in range(total)]

    def told(self, work: Callable[[], Value]) -> Value:
        """Let the first process do something, however long it takes; all return its result.

        Raises:
            FailedElsewhere: the first process failed, and says why.
        """
        if self.size == 1:
            return work()
        answer: list[Any] = [None, 0]
        failure: TopformerError | OSError | None = None
        if self.first:
            try:
                answer[0] = work()
            except (TopformerError, OSError) as error:
                failure = error
                answer[1] = exit_code_of(error) if isinstance(error, TopformerError) else 1
        with exchange():
            dist.broadcast_object_list(answer, 0, group=self.patient)
        if failure is not None:
            raise failure
        if answer[1]:
            raise FailedElsewhere(answer[1])
        result: Value = answer[0]
        return result

    def each(self, work: Callable[[], Value]) -> Value:
        """Do something in every process, in the first one before the others.

        Raises:
            FailedElsewhere: the first process failed, and says why; the others would say the same.
        """
        made: list[Value] = []

        def begin() -> None:
            made.append(work())

        self.told(begin)
        return made[0] if made else work()

    def in_turn(self, work: Callable[[], object]) -> None:
        """Do something once on each machine, then once more in all other processes."""
        if self.local == 0:
            work()
        if self.size == 1:
            return
        with exchange():
            dist.barrier(group=self.patient)
        if self.local != 0:
            work()


ALONE = World()
