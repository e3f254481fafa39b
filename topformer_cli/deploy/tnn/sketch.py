"""Shapes and work of a network without its numbers: every layer on torch's meta device.

A file can ask for any size in a few bytes. So the sketch comes first, and what is computed after it
is known to fit.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from topformer_cli.deploy.tnn.layers.convolution import Convolution, Deconvolution
from topformer_cli.deploy.tnn.layers.elementwise import Add, Div, Maximum, Minimum, Mul, Sub
from topformer_cli.deploy.tnn.layers.pooling import Pooling
from topformer_cli.deploy.tnn.network import Layer, Network
from topformer_cli.errors import ExportError

MAX_BYTES: Final = 4 << 30
"""Values that are alive at one time, or one tensor inside a layer, in float32."""

MAX_WORK: Final = 10**12
"""Multiply-adds, and 64 for every value that is written; TopFormer-base has 2e9."""

LAYER_ERRORS: Final = (
    ArithmeticError,
    AssertionError,
    IndexError,
    MemoryError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""What torch raises for parameters, weights and inputs that do not go together."""

_WORK_OF_A_VALUE: Final = 64
_LOWEST: Final = {"group": 1, "stride": 1, "dilation": 1, "pad": 0, "kernel": 0}
_CONSTANT_BROADCASTS: Final = (Add, Sub, Mul, Div, Maximum, Minimum)

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class LayerSketch:
    """What one layer makes.

    shapes of its outputs, and multiply_adds of its convolutions and matrix products; None where the
    weights are not there and the text alone does not tell. largest: bytes of the largest tensor
    inside. work: as bounded by MAX_WORK.
    """

    shapes: tuple[Shape, ...] | None
    multiply_adds: int | None
    largest: int
    work: int


def sketch(
    network: Network, weights: Mapping[str, Sequence[Tensor]], where: str
) -> tuple[LayerSketch, ...]:
    """Return what every layer makes; weights by layer name, on any device, may be missing.

    Raises:
        ExportError: a layer's parameters, weights and inputs do not go together; names it.
    """
    blobs: dict[str, Tensor | None] = {}
    for blob in network.inputs:
        if blob.size * 4 > MAX_BYTES:
            message = f"{where}: input {blob.name[:40]!r} of shape {blob.shape} is too large"
            raise ExportError(message)
        blobs[blob.name] = torch.empty(blob.shape, device="meta")
    with torch.no_grad(), FlopCounterMode(display=False) as counter, _Meter() as meter:
        sketcher = _Sketcher(blobs, counter, meter)
        layers = network.layers
        return tuple(sketcher.run(layer, weights.get(layer.name), where) for layer in layers)


def check_bounds(network: Network, sketches: Sequence[LayerSketch], where: str) -> None:
    """Refuse a network that this machine would not compute in a sane time and memory.

    Raises:
        ExportError: names the layer at which a bound is crossed.
    """
    last_use = {name: i for i, layer in enumerate(network.layers) for name in layer.inputs}
    last_use.update(dict.fromkeys(network.outputs, len(network.layers)))
    sizes = {blob.name: blob.size * 4 for blob in network.inputs}
    alive = sum(sizes.values())
    work = 0
    for index, (layer, made) in enumerate(zip(network.layers, sketches, strict=True)):
        sizes |= zip(layer.outputs, map(_bytes, made.shapes or ()), strict=False)
        alive += sum(sizes.get(name, 0) for name in layer.outputs)
        work += made.work
        if max(alive, made.largest) > MAX_BYTES or work > MAX_WORK:
            problem = (
                f"more than {MAX_WORK:.0e} multiply-adds up to here"
                if work > MAX_WORK
                else f"more than {MAX_BYTES >> 30} GiB of values at one time"
            )
            raise ExportError(layer_message(where, layer, problem))
        alive -= sum(sizes[name] for name in set(layer.inputs) if last_use[name] == index)
        alive -= sum(sizes.get(name, 0) for name in layer.outputs if name not in last_use)


def weight_shapes(layer: Layer) -> tuple[Shape, ...] | None:
    """Return the shapes of a layer's weights, None where its parameters do not tell them."""
    record = layer.record
    if not isinstance(record, (Convolution, Deconvolution)):
        return None
    bias = ((record.out_channels,),) if record.bias else ()
    return (record.weight_shape, *bias)


def layer_message(where: str, layer: Layer, problem: object) -> str:
    """Return a message of one line that names file and layer."""
    reason = " ".join(str(problem).splitlines()[:1]) or type(problem).__name__
    return f"{where}: layer {layer.name[:60]!r} ({layer.record.TYPE}): {reason[:300]}"


@contextmanager
def naming(where: str, layer: Layer) -> Iterator[None]:
    """Turn what torch raises inside into one line that names file and layer.

    Raises:
        ExportError: the layer's parameters, weights and inputs do not go together.
    """
    try:
        yield
    except LAYER_ERRORS as error:
        raise ExportError(layer_message(where, layer, error)) from error


def _bytes(shape: Shape) -> int:
    return 4 * math.prod(shape)


class _Meter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes the largest tensor that is made, and how many values are written."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.largest = 0
        self.values = 0

    def __torch_dispatch__(
        self,
        func: Callable[..., object],
        types: object,
        args: tuple[object, ...] = (),
        kwargs: Mapping[str, object] | None = None,
    ) -> object:
        """Run an operator and look at what it returns."""
        result = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, Tensor):
                # The storage: a view that repeats its base takes no memory of its own.
                self.largest = max(self.largest, tensor.untyped_storage().nbytes())
                self.values += tensor.numel()
        return result


@dataclass(slots=True)
class _Sketcher:
    blobs: dict[str, Tensor | None]
    counter: FlopCounterMode
    meter: _Meter

    def run(self, layer: Layer, weights: Sequence[Tensor] | None, where: str) -> LayerSketch:
        inputs = [tensor for name in layer.inputs if (tensor := self.blobs[name]) is not None]
        wanted = layer.record.weight_count(len(layer.inputs))
        meant = _stand_ins(layer) if weights is None and wanted else weights or ()
        if len(inputs) < len(layer.inputs) or meant is None:
            self.blobs.update(dict.fromkeys(layer.outputs))
            return LayerSketch(None, None, 0, 0)
        before = self.counter.get_total_flops()
        self.meter.largest = self.meter.values = 0
        with naming(where, layer):
            _check_parameters(layer)
            on_meta = [tensor.to("meta") for tensor in meant]
            # What a layer makes for itself is to be without numbers too.
            with torch.device("meta"):
                outputs = layer.record.compute(inputs, on_meta)
            self.blobs.update(zip(layer.outputs, outputs, strict=True))
        multiply_adds = (self.counter.get_total_flops() - before) // 2
        values = self.meter.values * _WORK_OF_A_VALUE + _window(layer, inputs) * sum(
            output.numel() for output in outputs
        )
        shapes = tuple(tuple(output.shape) for output in outputs)
        return LayerSketch(shapes, multiply_adds, self.meter.largest, multiply_adds + values)


def _stand_ins(layer: Layer) -> list[Tensor] | None:
    """Return tensors in the place of weights that are not there, None if their shapes matter."""
    if isinstance(layer.record, _CONSTANT_BROADCASTS):
        return [torch.empty((), device="meta")]
    shapes = weight_shapes(layer)
    if shapes is None:
        return None
    try:
        return [torch.empty(shape, device="meta") for shape in shapes]
    except LAYER_ERRORS:  # negative, or more than can be counted
        return None


def _check_parameters(layer: Layer) -> None:
    """Refuse numbers that torch's meta kernels take and its others do not."""
    for name, lowest in _LOWEST.items():
        for axis in ("", "_h", "_w"):
            value = getattr(layer.record, name + axis, lowest)
            if isinstance(value, int) and value < lowest:
                message = f"{name}{axis} is {value}, the lowest is {lowest}"
                raise ValueError(message)


def _window(layer: Layer, inputs: Sequence[Tensor]) -> int:
    """Return how many values a pooling reads for one it writes."""
    if not isinstance(layer.record, Pooling):
        return 0
    height, width = inputs[0].shape[-2:]
    return (layer.record.kernel_h or int(height)) * (layer.record.kernel_w or int(width))
