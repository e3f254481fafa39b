"""What a run in half precision says, layer by layer, and several runs summed up."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from topformer_cli.deploy.tnn.precision.half_storage import HALF_MAX
from topformer_cli.predictor import FloatArray


@dataclass(frozen=True, slots=True)
class HalfLayer:
    """A layer in half precision against float32.

    precision: fp16 or fp32, what the phone computes it in. largest: max|x| of its outputs in the
    float32 run. overflows: how many of its values are not finite as a half. error: max|difference|
    / max|reference|. growth: error over the largest error of its inputs (at least one rounding).
    """

    name: str
    type: str
    precision: str
    largest: float
    overflows: int
    error: float
    growth: float

    @property
    def headroom(self) -> float:
        """How many times larger its values could be before half overflows."""
        return HALF_MAX / self.largest if self.largest else math.inf

    def to_json(self) -> dict[str, Any]:
        """Return the plain record; what is not finite is None."""
        return _plain({**asdict(self), "headroom": self.headroom})


@dataclass(frozen=True, slots=True)
class HalfOutput:
    """An output: its error, and the share of positions with the same label.

    A label is the argmax over the classes (axis 1), or the value itself where the network gives
    whole numbers; labels_equal is None of an output without a class axis.
    """

    name: str
    error: float
    labels_equal: float | None

    def to_json(self) -> dict[str, Any]:
        """Return the plain record; what is not finite is None."""
        return _plain(asdict(self))


@dataclass(frozen=True, slots=True, eq=False)
class HalfRun:
    """One forward pass in both precisions; values are the outputs of the half one."""

    layers: tuple[HalfLayer, ...]
    outputs: tuple[HalfOutput, ...]
    values: Mapping[str, FloatArray]


@dataclass(frozen=True, slots=True)
class HalfReport:
    """Several images: the worst of every layer, the largest error and the mean label share.

    weights: layers with a weight that half cannot hold.
    """

    images: int
    layers: tuple[HalfLayer, ...]
    outputs: tuple[HalfOutput, ...]
    weights: tuple[str, ...] = ()

    @property
    def first_overflow(self) -> HalfLayer | None:
        """The first layer, in the order of the file, with values that are not finite."""
        return next((layer for layer in self.layers if layer.overflows), None)

    @property
    def largest(self) -> dict[str, float]:
        """By layer, max|x| of its float32 outputs: what `rescale` starts from."""
        return {layer.name: layer.largest for layer in self.layers}

    def tightest(self, count: int = 5) -> tuple[HalfLayer, ...]:
        """Return the layers with the least headroom."""
        return tuple(sorted(self.layers, key=lambda layer: layer.headroom)[:count])

    def worst(self, count: int = 5) -> tuple[HalfLayer, ...]:
        """Return the layers that add most to the error of their inputs."""
        return tuple(sorted(self.layers, key=lambda layer: -layer.growth)[:count])

    def without_labels(self) -> "HalfReport":
        """Return the report on outputs of which axis 1 is not that of classes."""
        outputs = tuple(replace(output, labels_equal=None) for output in self.outputs)
        return replace(self, outputs=outputs)

    def to_json(self) -> dict[str, Any]:
        """Return the plain record."""
        first = self.first_overflow
        return {
            "images": self.images,
            "first_overflow": first.name if first else None,
            "weights_overflow": list(self.weights),
            "outputs": [output.to_json() for output in self.outputs],
            "layers": [layer.to_json() for layer in self.layers],
        }


def half_report(runs: Sequence[HalfRun], weights: Iterable[str] = ()) -> HalfReport:
    """Sum several runs of one network up."""
    layers = tuple(map(_worst_layer, zip(*(run.layers for run in runs), strict=True)))
    outputs = tuple(map(_worst_output, zip(*(run.outputs for run in runs), strict=True)))
    return HalfReport(len(runs), layers, outputs, tuple(weights))


def _worst_layer(found: Sequence[HalfLayer]) -> HalfLayer:
    return HalfLayer(
        name=found[0].name,
        type=found[0].type,
        precision=found[0].precision,
        largest=max(layer.largest for layer in found),
        overflows=sum(layer.overflows for layer in found),
        error=max(layer.error for layer in found),
        growth=max(layer.growth for layer in found),
    )


def _worst_output(found: Sequence[HalfOutput]) -> HalfOutput:
    shares = [output.labels_equal for output in found if output.labels_equal is not None]
    mean = sum(shares) / len(shares) if shares else None
    return HalfOutput(found[0].name, max(output.error for output in found), mean)


def _plain(record: dict[str, Any]) -> dict[str, Any]:
    return {
        key: None if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in record.items()
    }
