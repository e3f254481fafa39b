"""Half precision on the host: a network as an ARMv8.2 phone runs it, beside its float32 run.

Layers with an fp16 kernel take halves, round as that kernel does (half_kernels.py) and give halves;
the others are computed in float32 from what they get. Weights and the input are rounded to half.
A value of 65520 or more becomes infinite and goes on as such.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Final

import torch
from torch import Tensor

from topformer_cli.deploy.runtime_inputs import Arrays
from topformer_cli.deploy.tnn.interpreter import LoadedTnn, fed, named_inputs
from topformer_cli.deploy.tnn.network import Layer
from topformer_cli.deploy.tnn.precision.half_kernels import COMPUTED_IN_HALF, compute_half
from topformer_cli.deploy.tnn.precision.half_report import (
    HalfLayer,
    HalfOutput,
    HalfReport,
    HalfRun,
    half_report,
)
from topformer_cli.deploy.tnn.precision.half_storage import HALF_MAX
from topformer_cli.deploy.tnn.sketch import naming
from topformer_cli.errors import ExportError
from topformer_cli.predictor import FloatArray
from topformer_cli.torch_threads import one_thread

_ROUNDING: Final = 2.0**-11
"""The relative error of one rounding to half."""


def check_half(loaded: LoadedTnn, samples: Sequence[Arrays]) -> HalfReport:
    """Run sets of inputs, each in the file's order, through a network and sum them up.

    Raises:
        ExportError: there are no inputs, they do not fit, or a layer cannot be computed.
    """
    if not samples:
        message = f"{loaded.proto}: no inputs to run it on"
        raise ExportError(message)
    runs = [simulate_half(loaded, named_inputs(loaded, sample)) for sample in samples]
    return half_report(runs, _overflowing_weights(loaded))


def simulate_half(loaded: LoadedTnn, feeds: Mapping[str, FloatArray]) -> HalfRun:
    """Run a network in float32 and in half, layer by layer side by side.

    Raises:
        ExportError: an input does not fit, or a layer's parameters, weights and inputs do not go
            together; names the file and the layer.
    """
    network = loaded.network
    state = _Blobs(loaded, feeds)
    last_use = {name: i for i, layer in enumerate(network.layers) for name in layer.inputs}
    found = []
    with torch.inference_mode(), one_thread():
        for index, layer in enumerate(network.layers):
            found.append(state.step(layer))
            # An output nobody reads would stay; it is dropped as well.
            for name in {*layer.inputs, *layer.outputs} - set(network.outputs):
                if last_use.get(name, index) <= index:
                    state.drop(name)
        outputs = tuple(
            _compare_output(name, state.exact[name], state.half[name]) for name in network.outputs
        )
    values = {name: state.half[name].float().numpy() for name in network.outputs}
    return HalfRun(tuple(found), outputs, values)


class _Blobs:
    """The blobs of both runs at one place of the network, with their errors."""

    def __init__(self, loaded: LoadedTnn, feeds: Mapping[str, FloatArray]) -> None:
        self.exact = fed(loaded, feeds)
        self.loaded = loaded
        self.read_in_half = {
            name
            for layer in loaded.network.layers
            if layer.record.TYPE in COMPUTED_IN_HALF
            for name in layer.inputs
        }
        self.half = {
            name: value.half() if name in self.read_in_half else value
            for name, value in self.exact.items()
        }
        self.errors = {name: _error(value, self.half[name]) for name, value in self.exact.items()}

    def step(self, layer: Layer) -> HalfLayer:
        """Compute a layer in both precisions and compare."""
        in_half = layer.record.TYPE in COMPUTED_IN_HALF
        weights = self.loaded.weights.get(layer.name, ())
        before = max((self.errors[name] for name in layer.inputs), default=0.0)
        inputs = [self.half[name] for name in layer.inputs]
        with naming(str(self.loaded.proto), layer):
            exact = layer.record.compute([self.exact[name] for name in layer.inputs], weights)
            if in_half:
                halves = [x.half() for x in inputs]
                found: Sequence[Tensor] = compute_half(layer.record, halves, weights)
            else:
                found = layer.record.compute([x.float() for x in inputs], weights)
            self.exact.update(zip(layer.outputs, exact, strict=True))
            self.half.update(zip(layer.outputs, found, strict=True))
        self.errors.update({name: self._error(name) for name in layer.outputs})
        error_now = max(self.errors[name] for name in layer.outputs)
        return HalfLayer(
            name=layer.name,
            type=layer.record.TYPE,
            precision="fp16" if in_half else "fp32",
            largest=max(_largest(self.exact[name]) for name in layer.outputs),
            overflows=sum(self._overflows(name) for name in layer.outputs),
            error=error_now,
            growth=error_now / max(before, _ROUNDING),
        )

    def drop(self, name: str) -> None:
        """Forget a blob that no later layer reads."""
        del self.exact[name], self.half[name]

    def _error(self, name: str) -> float:
        return _error(self.exact[name], self.half[name])

    def _overflows(self, name: str) -> int:
        value = self.half[name]
        stored = value.half() if name in self.read_in_half else value
        return int((~torch.isfinite(stored)).sum())


def _largest(value: Tensor) -> float:
    return float(value.abs().max())


def _error(exact: Tensor, half: Tensor) -> float:
    difference = float((exact - half.float()).abs().max())
    return difference / max(_largest(exact), 1e-30) if math.isfinite(difference) else math.inf


def _compare_output(name: str, exact: Tensor, half: Tensor) -> HalfOutput:
    labels = None
    if not exact.is_floating_point():
        labels = float((exact == half).float().mean())
    elif exact.ndim > 1 and exact.shape[1] > 1:
        labels = float((exact.argmax(1) == half.argmax(1)).float().mean())
    return HalfOutput(name, _error(exact, half), labels)


def _overflowing_weights(loaded: LoadedTnn) -> list[str]:
    return [
        name
        for name, weights in loaded.weights.items()
        if any(weight.numel() and _largest(weight) > HALF_MAX for weight in weights)
    ]
