"""Counts of a training that are kept on the device, so that no step waits for a number."""

from dataclasses import asdict, dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Counts:
    """What happened since the last record, and how the latest steps went.

    loss is a sum over the taken steps; in_a_row counts the latest steps without a break that were
    skipped though no smaller loss scale was left to try, last_skipped is the last of all that were
    skipped (0-based), -1 for none.
    """

    loss: float = 0.0
    taken: int = 0
    skipped: int = 0
    in_a_row: int = 0
    last_skipped: int = -1

    @property
    def mean_loss(self) -> float:
        """The mean over the taken steps; 0 if there was none."""
        return self.loss / self.taken if self.taken else 0.0


def sum_type(device: torch.device) -> torch.dtype:
    """Return the widest type that a device adds in: Apple's have no float64."""
    return torch.float32 if device.type == "mps" else torch.float64


class Tally:
    """Counts that steps add to."""

    def __init__(self, device: torch.device, counts: Counts | None = None) -> None:
        self._values = torch.zeros(5, dtype=sum_type(device), device=device)
        self.load(counts or Counts())

    def add(self, loss: Tensor, bad: Tensor, step: Tensor, scale: Tensor) -> None:
        """Count a step: its loss, whether it was skipped, its number and its loss scale; scalars.

        A loss scale begins high and falls with every step that overflows, so such steps in a row
        are no fault until it is 1.
        """
        total, taken, skipped, in_a_row, last = self._values.unbind()
        kind = self._values.dtype
        skip = bad.to(kind)
        values = (
            total + torch.where(bad, 0.0, loss.to(kind)),
            taken + (1 - skip),
            skipped + skip,
            (in_a_row + (scale <= 1)) * skip,
            torch.where(bad, step.to(kind), last),
        )
        self._values.copy_(torch.stack(values))

    def read(self) -> Counts:
        """Wait for the device and return the counts."""
        total, *others = self._values.tolist()
        return Counts(total, *(int(value) for value in others))

    def load(self, counts: Counts) -> None:
        """Take over counts."""
        self._values.copy_(torch.tensor(list(asdict(counts).values()), dtype=self._values.dtype))

    def clear(self) -> None:
        """Begin a new record; a row of skipped steps goes on."""
        self._values[:3] = 0
