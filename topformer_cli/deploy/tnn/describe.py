"""What a TNN network on disk is made of: every layer with its shapes, weights and multiply-adds.

Nothing is computed. Multiply-adds are those of convolutions and matrix products, as in the paper's
count.
"""

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from topformer_cli.deploy.tnn.interpreter import model_path
from topformer_cli.deploy.tnn.layers.convolution import NO_ACTIVATION, RELU, RELU6
from topformer_cli.deploy.tnn.model import read_model
from topformer_cli.deploy.tnn.network import Layer, Network
from topformer_cli.deploy.tnn.proto import read_proto
from topformer_cli.deploy.tnn.sketch import LayerSketch, Shape, sketch, weight_shapes

_ACTIVATIONS = {NO_ACTIVATION: "", RELU: "ReLU", RELU6: "ReLU6", 256: "SiLU"}
_STORAGE = {"float32": "fp32", "float16": "fp16"}

Weights = Sequence[NDArray[Any]]


@dataclass(frozen=True, slots=True)
class LayerDescription:
    """One layer; None is what cannot be told without the weights.

    parameters are the words of the text file. weights counts values, weight_bytes what they take in
    the file, digest is of their bytes. activation is the one computed inside, empty without.
    """

    type: str
    name: str
    parameters: tuple[str, ...]
    kernel: str
    activation: str
    shapes: tuple[Shape, ...] | None
    weights: int | None
    weight_bytes: int | None
    multiply_adds: int | None
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Blob:
    """An input or an output of the network."""

    name: str
    shape: Shape | None


@dataclass(frozen=True, slots=True)
class TnnDescription:
    """A network and its files; model_bytes is None when there are no weights beside it.

    storage is how the weights lie in the file: fp32, fp16, or mixed; empty without weights.
    """

    proto: Path
    inputs: tuple[Blob, ...]
    outputs: tuple[Blob, ...]
    layers: tuple[LayerDescription, ...]
    proto_bytes: int
    model_bytes: int | None
    storage: str

    @property
    def multiply_adds(self) -> int:
        """The sum over the layers for which it is known."""
        return sum(layer.multiply_adds or 0 for layer in self.layers)

    @property
    def weights(self) -> int:
        """The sum over the layers for which it is known."""
        return sum(layer.weights or 0 for layer in self.layers)

    @property
    def weight_bytes(self) -> int:
        """The sum over the layers for which it is known."""
        return sum(layer.weight_bytes or 0 for layer in self.layers)

    def to_json(self) -> dict[str, Any]:
        """Return the description with its sums as plain JSON."""
        return {
            **asdict(self),
            "proto": str(self.proto),
            "multiply_adds": self.multiply_adds,
            "weights": self.weights,
            "weight_bytes": self.weight_bytes,
        }

    @property
    def unknown(self) -> int:
        """How many layers cannot be counted without the weights."""
        return sum(layer.multiply_adds is None or layer.weights is None for layer in self.layers)


def describe(proto: Path) -> TnnDescription:
    """Describe a .tnnproto file and, when it is there, the .tnnmodel file beside it.

    Raises:
        ExportError: a file is damaged or foreign, they are no pair, or a layer does not go together
            with its inputs; names the file and the place.
    """
    network = read_proto(proto)
    model = model_path(proto)
    found = {one.layer: one.weights for one in read_model(model, network)} if model.exists() else {}
    tensors = {name: _without_numbers(arrays) for name, arrays in found.items()}
    sketches = sketch(network, tensors, str(proto))
    shapes = _shapes(network, sketches)
    return TnnDescription(
        proto=proto,
        inputs=tuple(Blob(blob.name, blob.shape) for blob in network.inputs),
        # TNN gives its outputs in alphabetical order.
        outputs=tuple(Blob(name, shapes.get(name)) for name in sorted(set(network.outputs))),
        layers=tuple(
            _describe(layer, made, found.get(layer.name))
            for layer, made in zip(network.layers, sketches, strict=True)
        ),
        proto_bytes=proto.stat().st_size,
        model_bytes=model.stat().st_size if model.exists() else None,
        storage=_storage(found),
    )


def _without_numbers(arrays: Weights) -> list[Tensor]:
    return [torch.empty(array.shape, device="meta") for array in arrays]


def _shapes(network: Network, sketches: Sequence[LayerSketch]) -> dict[str, Shape]:
    shapes = {blob.name: blob.shape for blob in network.inputs}
    for layer, made in zip(network.layers, sketches, strict=True):
        shapes.update(zip(layer.outputs, made.shapes or (), strict=False))
    return shapes


def _describe(layer: Layer, made: LayerSketch, arrays: Weights | None) -> LayerDescription:
    weights: int | None = 0
    weight_bytes: int | None = 0
    digest = ""
    if arrays is not None:
        weights = sum(array.size for array in arrays)
        weight_bytes = sum(array.nbytes for array in arrays)
        digest = _digest(arrays)
    elif layer.record.weight_count(len(layer.inputs)):
        meant = weight_shapes(layer)
        weights = None if meant is None else sum(map(math.prod, meant))
        weight_bytes = None
    return LayerDescription(
        type=layer.record.TYPE,
        name=layer.name,
        parameters=tuple(layer.record.words()),
        kernel=_kernel(layer),
        activation=_ACTIVATIONS.get(getattr(layer.record, "activation", NO_ACTIVATION), "?"),
        shapes=made.shapes,
        weights=weights,
        weight_bytes=weight_bytes,
        multiply_adds=made.multiply_adds,
        digest=digest,
    )


def _digest(arrays: Weights) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype} {array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()[:16]


def _kernel(layer: Layer) -> str:
    """Return what a window layer's parameters mean: `dw 3x3/2` is depthwise with stride 2."""
    record = layer.record
    height, width = getattr(record, "kernel_h", None), getattr(record, "kernel_w", None)
    if height is None or width is None:
        return ""
    group, channels = getattr(record, "group", 1), getattr(record, "out_channels", 0)
    words = ["dw"] if 1 < group == channels else [f"g{group}"] * (group > 1)
    stride = _pair(getattr(record, "stride_h", 1), getattr(record, "stride_w", 1))
    window = f"{height}x{width}" if height or width else "whole map"
    words.append(window + f"/{stride}" * (stride != "1"))
    dilation = _pair(getattr(record, "dilation_h", 1), getattr(record, "dilation_w", 1))
    return " ".join([*words, *[f"d{dilation}"] * (dilation != "1")])


def _pair(height: int, width: int) -> str:
    return str(height) if height == width else f"{height}x{width}"


def _storage(found: Mapping[str, Weights]) -> str:
    kinds = {_STORAGE.get(str(a.dtype), str(a.dtype)) for arrays in found.values() for a in arrays}
    return kinds.pop() if len(kinds) == 1 else "mixed" if kinds else ""
