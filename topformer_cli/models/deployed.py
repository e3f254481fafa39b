"""What an exported network takes and ends in: pixels or normalised values, logits or labels."""

import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch import Tensor, nn

from topformer_cli.models.spec import Ending, ModelSpec


def end_in(network: nn.Module, ending: Ending, input_hw: tuple[int, int]) -> nn.Module:
    """Return a network that ends as asked; input_hw is the size it upsamples to."""
    if ending == "logits":
        return network
    full = FullSize(network, input_hw)
    return full.eval() if ending == "full" else LabelMap(full).eval()


def take_bytes(network: nn.Module, spec: ModelSpec) -> nn.Module:
    """Return a network that normalises RGB bytes itself, by the card's mean and deviation."""
    return FromBytes(network, spec).eval()


class FullSize(nn.Module):
    """Logits [B, classes, h, w] resized to [B, classes, H, W], as the authors' code does."""

    def __init__(self, network: nn.Module, input_hw: tuple[int, int]) -> None:
        super().__init__()
        self.network = network
        self.input_hw = input_hw

    def forward(self, images: Tensor) -> Tensor:
        """Map images [B, 3, H, W] to logits of the same size."""
        logits = self.network(images)
        return F.interpolate(logits, self.input_hw, mode="bilinear", align_corners=False)


class LabelMap(nn.Module):
    """The number of the best class at every position; the lowest of equal ones."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        """Map images [B, 3, H, W] to labels [B, 1, H, W]."""
        labels: Tensor = self.network(images).argmax(1, keepdim=True)
        return labels


class FromBytes(nn.Module):
    """RGB bytes [B, 3, H, W], normalised in the network."""

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module, spec: ModelSpec) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("mean", torch.tensor(spec.mean).reshape(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(spec.std).reshape(1, 3, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        """Normalise and run the network; float64 networks get float64 values."""
        values = images.to(self.mean.dtype)
        output: Tensor = self.network((values - self.mean) / self.std)
        return output
