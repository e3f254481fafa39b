"""Which layer of a TNN network first departs from the ONNX graph that it was made from."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from topformer_cli.deploy.onnx_graph import compute_graph, relative_difference
from topformer_cli.deploy.tnn.interpreter import LoadedTnn, model_path, run_tnn
from topformer_cli.deploy.tnn.model import read_model
from topformer_cli.deploy.tnn.network import Layer, Network
from topformer_cli.deploy.tnn.proto import read_proto
from topformer_cli.deploy.tnn.write import write_pair

CLEAR: Final = 10.0
"""A layer departs when its difference is this many times the bound of the output."""

Blobs = Callable[[str], NDArray[Any]]
"""Gives the values of one blob, as the runtime in question computes them."""


@dataclass(frozen=True, slots=True)
class Departure:
    """The first layer whose output departs, and by how much; before: the worst of its inputs."""

    layer: str
    type: str
    difference: float
    before: float

    def __str__(self) -> str:
        """Say it in one line."""
        return (
            f"layer {self.layer!r} ({self.type}) is the first to depart: its output differs by "
            f"{self.difference:.1e} of its maximum, its inputs by {self.before:.1e}"
        )


@dataclass(frozen=True, slots=True, eq=False)
class Expected:
    """The right values of blobs by their TNN names."""

    values: Mapping[str, NDArray[Any]]

    @classmethod
    def of_graph(
        cls, model: ir.Model, names: Mapping[ir.Value, str], feeds: Mapping[str, NDArray[Any]]
    ) -> "Expected":
        """Compute every float value of a graph; names: value -> the blob it becomes."""
        blobs = {str(value.name): name for value, name in names.items()}
        copy = model.clone()
        shown = {str(value.name) for value in copy.graph.outputs}
        for node in copy.graph:
            for value in node.outputs:
                if str(value.name) in blobs and str(value.name) not in shown:
                    copy.graph.outputs.append(value)
                    shown.add(str(value.name))
        values = compute_graph(copy, feeds)
        return cls({blobs[name]: array for name, array in values.items() if name in blobs})

    def first_departure(self, network: Network, blobs: Blobs, bound: float) -> Departure | None:
        """Search for the first layer that departs, with as few blobs asked for as may be.

        Layers stand in topological order and a departure reaches the output, so that half of the
        rest is left out with every blob. The answer is the last layer before which all is right.
        """
        known = [layer for layer in network.layers if layer.outputs[0] in self.values]
        low, high = 0, len(known)
        while low < high:
            middle = (low + high) // 2
            if self._difference(known[middle].outputs[0], blobs) > CLEAR * bound:
                high = middle
            else:
                low = middle + 1
        if low == len(known):
            return None
        layer = known[low]
        return Departure(
            layer=layer.name,
            type=layer.record.TYPE,
            difference=self._difference(layer.outputs[0], blobs),
            before=self._inputs_difference(network, layer, blobs),
        )

    def _difference(self, blob: str, blobs: Blobs) -> float:
        found = blobs(blob)
        difference = relative_difference(self.values[blob], found)
        return float("inf") if np.isnan(difference) else difference

    def _inputs_difference(self, network: Network, layer: Layer, blobs: Blobs) -> float:
        made = {blob.name for blob in network.inputs}
        inputs = [name for name in layer.inputs if name in self.values and name not in made]
        return max((self._difference(name, blobs) for name in inputs), default=0.0)


def interpreted(loaded: LoadedTnn, feeds: Mapping[str, NDArray[Any]]) -> Blobs:
    """Return the blobs of a pair as the reference interpreter computes them, all in one pass."""
    names = tuple(name for layer in loaded.network.layers for name in layer.outputs)
    values = run_tnn(replace(loaded, network=replace(loaded.network, outputs=names)), feeds)
    return values.__getitem__


def exposed(proto: Path, blob: str, folder: Path) -> Path:
    """Write the part of a pair that makes a blob into a folder, and return its .tnnproto."""
    network = read_proto(proto)
    last = next(i for i, layer in enumerate(network.layers) if blob in layer.outputs)
    layers = network.layers[: last + 1]
    names = {layer.name for layer in layers}
    resources = [one for one in read_model(model_path(proto), network) if one.layer in names]
    shown = folder / proto.name
    write_pair(shown, Network(network.inputs, (blob,), layers), resources)
    return shown
