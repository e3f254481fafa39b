"""What a segmentation head is built from."""

from dataclasses import dataclass

from topformer_cli.models.spec import Fuse


@dataclass(frozen=True, slots=True)
class HeadPlan:
    """width: M, the channels of the injected tokens at each of the scales; dropout: its rate."""

    width: int
    scales: int
    classes: int
    fuse: Fuse
    dropout: float
