"""What a head of the baselines is built from."""

from dataclasses import dataclass

from torch import nn


@dataclass(frozen=True, slots=True)
class HeadPlan:
    """What a head is built from: channels of the maps, and those it works with.

    low: channels that DeepLab's fine map is reduced to.
    """

    channels: tuple[int, ...]
    width: int
    low: int
    classes: int
    dropout: float

    @property
    def last(self) -> nn.Sequential:
        """Dropout and the convolution that classifies each position, made anew."""
        return classifier(self.width, self.classes, self.dropout)


def classifier(channels: int, classes: int, dropout: float) -> nn.Sequential:
    """Build dropout and the convolution that classifies each position."""
    return nn.Sequential(nn.Dropout2d(dropout), nn.Conv2d(channels, classes, 1))
