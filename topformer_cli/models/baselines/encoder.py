"""What all encoders of the baselines have."""

from torch import nn


class Encoder(nn.Module):
    """What the heads know of an encoder."""

    channels: tuple[int, ...]
