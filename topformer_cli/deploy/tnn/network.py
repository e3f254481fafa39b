"""A TNN network in memory: what the text file says, and what the binary file holds."""

import math
from dataclasses import dataclass
from typing import Any, TypeAlias

from numpy.typing import NDArray

from topformer_cli.deploy.tnn.layers.record import LayerRecord

Weights: TypeAlias = tuple[NDArray[Any], ...]


@dataclass(frozen=True, slots=True)
class Input:
    """A network input; dtype is TNN's number, 0 for float32."""

    name: str
    shape: tuple[int, ...]
    dtype: int = 0

    @property
    def size(self) -> int:
        """The number of values."""
        return math.prod(self.shape)


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer of the text file."""

    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    record: LayerRecord


@dataclass(frozen=True, slots=True)
class Network:
    """What a .tnnproto file says; layers stand in topological order."""

    inputs: tuple[Input, ...]
    outputs: tuple[str, ...]
    layers: tuple[Layer, ...]

    @property
    def blobs(self) -> list[str]:
        """The names of all values, sorted."""
        names = {blob.name for blob in self.inputs}
        for layer in self.layers:
            names.update(layer.inputs, layer.outputs)
        return sorted(names)


@dataclass(frozen=True, slots=True)
class Resource:
    """The weights of one layer as a .tnnmodel file holds them."""

    type: str
    layer: str
    weights: Weights
