"""IoU averaged over frequent, less frequent and rare classes: the mIoU counts all alike."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from topformer_cli.results.evaluation import percent

LEAST_SHARES: Final = (1.0, 0.1, 0.0)
"""Where the groups begin, in percent of the labelled pixels."""


@dataclass(frozen=True, slots=True)
class ShareGroup:
    """The classes with a share of the labelled pixels of at least so many percent, below `below`.

    classes counts those that have an IoU; a class that is predicted and never labelled is among the
    rare ones. miou is the mean of theirs, None where there is none.
    """

    at_least: float
    below: float | None
    classes: int
    miou: float | None

    def __str__(self) -> str:
        """Say it in a few words, as in `0.1 to 1 % (12 classes) 38.21`."""
        if self.below is None:
            where = f"at least {self.at_least:g} %"
        elif self.at_least:
            where = f"{self.at_least:g} to {self.below:g} %"
        else:
            where = f"below {self.below:g} %"
        return f"{where} ({self.classes} class{'es' * (self.classes != 1)}) {percent(self.miou)}"


def share_groups(shares: Sequence[float], iou: Sequence[float | None]) -> tuple[ShareGroup, ...]:
    """Return the groups, frequent classes first; none where shares are not known.

    shares are percentages by class; both are by train id.
    """
    if not shares:
        return ()
    groups = []
    below: float | None = None
    for least in LEAST_SHARES:
        inside = [
            one
            for share, one in zip(shares, iou, strict=True)
            if one is not None and least <= share and (below is None or share < below)
        ]
        mean = sum(inside) / len(inside) if inside else None
        groups.append(ShareGroup(least, below, len(inside), mean))
        below = least
    return tuple(groups)
