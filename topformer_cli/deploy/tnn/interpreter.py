"""The reference interpreter: computes what a .tnnproto and .tnnmodel pair on disk says."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from topformer_cli.deploy.runtime_inputs import Arrays
from topformer_cli.deploy.tnn.model import read_model
from topformer_cli.deploy.tnn.network import Layer, Network
from topformer_cli.deploy.tnn.proto import read_proto
from topformer_cli.deploy.tnn.sketch import check_bounds, naming, sketch
from topformer_cli.errors import ExportError
from topformer_cli.predictor import FloatArray


@dataclass(frozen=True, slots=True)
class LoadedTnn:
    """A pair of files read from disk; weights by layer name, in float32."""

    proto: Path
    network: Network
    weights: Mapping[str, tuple[Tensor, ...]]


def model_path(proto: Path) -> Path:
    """Return where TNN looks for the weights of a .tnnproto file."""
    return proto.with_suffix(".tnnmodel")


def load_tnn(proto: Path) -> LoadedTnn:
    """Read a .tnnproto file and the .tnnmodel file beside it.

    Raises:
        ExportError: one of them is missing, damaged or foreign, they are no pair, a layer does not
            go together with its inputs, or the network takes more than this machine would give.
    """
    network = read_proto(proto)
    weights = {
        resource.layer: tuple(
            torch.from_numpy(array.astype(np.float32)) for array in resource.weights
        )
        for resource in read_model(model_path(proto), network)
    }
    check_bounds(network, sketch(network, weights, str(proto)), str(proto))
    return LoadedTnn(proto, network, weights)


def named_inputs(loaded: LoadedTnn, arrays: Arrays) -> dict[str, FloatArray]:
    """Name inputs that stand in the file's order; bytes become the floats they stand for.

    Raises:
        ExportError: there are more or fewer than the network takes.
    """
    names = [blob.name for blob in loaded.network.inputs]
    if len(arrays) != len(names):
        message = f"{loaded.proto}: takes the inputs {', '.join(names)}, got {len(arrays)} arrays"
        raise ExportError(message)
    values = (np.asarray(array, np.float32) for array in arrays)
    return dict(zip(names, values, strict=True))


def run_tnn(loaded: LoadedTnn, feeds: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    """Compute the outputs of a network for its inputs.

    Raises:
        ExportError: an input does not fit, or a layer's parameters, weights and inputs do not go
            together; names the file and the layer.
    """
    blobs = fed(loaded, feeds)
    last_use = {name: i for i, layer in enumerate(loaded.network.layers) for name in layer.inputs}
    keep = set(loaded.network.outputs)
    with torch.inference_mode():
        for index, layer in enumerate(loaded.network.layers):
            blobs.update(_run_layer(loaded, layer, blobs))
            for name in set(layer.inputs) - keep:
                if last_use[name] == index:
                    del blobs[name]
    return {name: blobs[name].numpy() for name in loaded.network.outputs}


def fed(loaded: LoadedTnn, feeds: Mapping[str, FloatArray]) -> dict[str, Tensor]:
    """Return the first blobs of a run, in float32.

    Raises:
        ExportError: the inputs have other names or shapes than the network's.
    """
    wanted = {blob.name: blob.shape for blob in loaded.network.inputs}
    given = {name: array.shape for name, array in feeds.items()}
    if wanted != given:
        message = f"{loaded.proto}: takes the inputs {wanted}, got {given}"
        raise ExportError(message)
    return {
        name: torch.from_numpy(np.array(array, dtype=np.float32)) for name, array in feeds.items()
    }


def _run_layer(loaded: LoadedTnn, layer: Layer, blobs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    inputs = [blobs[name] for name in layer.inputs]
    with naming(str(loaded.proto), layer):
        outputs = layer.record.compute(inputs, loaded.weights.get(layer.name, ()))
        return dict(zip(layer.outputs, outputs, strict=True))
