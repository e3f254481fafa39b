"""Keep values inside half's range by powers of two that leave the float32 function unchanged.

Every blob gets an exponent; it then holds its true values times 2^-exponent. Blobs that must agree
form groups (union-find); groups that something reads as it is (the network's inputs and outputs,
Sigmoid, Softmax ...) have exponent 0. The others get the smallest exponents with which the largest
value seen fits, and products of two blobs are balanced: where q k must keep its value, k grows by
what q shrinks.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from topformer_cli.deploy.tnn.interpreter import model_path
from topformer_cli.deploy.tnn.model import read_model
from topformer_cli.deploy.tnn.network import Layer, Network, Resource
from topformer_cli.deploy.tnn.precision.exponents import Groups
from topformer_cli.deploy.tnn.precision.half_storage import HALF_MAX
from topformer_cli.deploy.tnn.precision.scaling import Binding, Exponents, rule_of
from topformer_cli.deploy.tnn.proto import read_proto
from topformer_cli.errors import ExportError

HEADROOM: Final = 8.0
"""How many times larger than the values seen half's range must be: other images, partial sums."""

REMEDY: Final = (
    "run it in fp32 (--precision fp32; TNNTest -pr HIGH), or train it to smaller values there"
)


@dataclass(frozen=True, slots=True)
class Unsaved:
    """A layer that stays above the limit: the largest stored value or weight, and why."""

    layer: str
    type: str
    largest: float
    reason: str
    remedy: str = REMEDY


@dataclass(frozen=True, slots=True, eq=False)
class Rescaled:
    """A network of the same float32 function, smaller inside.

    exponents: by layer whose outputs are scaled, the exponent. changed: the layers whose weights
    or parameters took exponents in.
    """

    network: Network
    resources: tuple[Resource, ...]
    exponents: dict[str, int]
    changed: tuple[str, ...]
    unsaved: tuple[Unsaved, ...]

    @property
    def explanation(self) -> tuple[str, ...]:
        """One line an exponent and one a layer that could not be helped."""
        lines = []
        for exponent in sorted(set(self.exponents.values()), reverse=True):
            names = [name for name, found in self.exponents.items() if found == exponent]
            shown = ", ".join(names[:4]) + (", ..." if len(names) > 4 else "")
            lines.append(f"times 2^{-exponent}: the values of {len(names)} layers ({shown})")
        for item in self.unsaved:
            what = f"{item.layer} ({item.type}) reaches {item.largest:.4g}"
            lines.append(f"not helped: {what}: {item.reason}; {item.remedy}")
        return tuple(lines)


def rescale_files(proto: Path, largest: Mapping[str, float]) -> Rescaled:
    """Read a pair of files and rescale it.

    Raises:
        ExportError: the files are damaged or no pair, or as of `rescale`.
    """
    network = read_proto(proto)
    return rescale(network, read_model(model_path(proto), network), largest)


def rescale(
    network: Network,
    resources: Sequence[Resource],
    largest: Mapping[str, float],
) -> Rescaled:
    """Choose exponents for the largest values seen (`HalfReport.largest`) and work them in.

    Raises:
        ExportError: names a layer whose float32 values are not finite, or whose weights cannot
            take their power of two exactly.
    """
    weights = {resource.layer: resource for resource in resources}
    seen = _largest_by_blob(network, largest)
    limit = HALF_MAX / HEADROOM
    groups = Groups(network, [_binding(layer, weights.get(layer.name)) for layer in network.layers])
    exponents = groups.solve(seen, limit)
    layers: list[Layer] = []
    scaled: dict[str, Resource] = {}
    for layer in network.layers:
        new, resource = _scale(layer, weights.get(layer.name), exponents)
        layers.append(new)
        if resource is not None:
            scaled[layer.name] = resource
    new_resources = tuple(scaled.get(item.layer, item) for item in resources)
    pairs = list(zip(network.layers, layers, strict=True))
    return Rescaled(
        replace(network, layers=tuple(layers)),
        new_resources,
        {
            layer.name: exponent
            for layer in network.layers
            if (exponent := exponents[layer.outputs[0]])
        },
        tuple(old.name for old, new in pairs if old != new or _moved(weights, scaled, old.name)),
        (
            *_large_values(network, seen, exponents, limit, groups),
            *_large_weights(new_resources, weights),
        ),
    )


def _binding(layer: Layer, resource: Resource | None) -> Binding:
    if resource is not None and any(array.dtype.kind != "f" for array in resource.weights):
        return Binding(zero=(*layer.inputs, *layer.outputs))
    return rule_of(layer).bind(layer)


def _largest_by_blob(network: Network, largest: Mapping[str, float]) -> dict[str, float]:
    seen: dict[str, float] = {}
    for layer in network.layers:
        value = largest.get(layer.name, math.nan)
        if not math.isfinite(value):
            message = f"layer {layer.name!r} ({layer.record.TYPE}): max|x| is {value} in float32"
            raise ExportError(message)
        seen.update(dict.fromkeys(layer.outputs, value))
    return seen


def _scale(
    layer: Layer, resource: Resource | None, exponents: Exponents
) -> tuple[Layer, Resource | None]:
    if not any(exponents[name] for name in (*layer.inputs, *layer.outputs)):
        return layer, resource
    try:
        weights = resource.weights if resource else ()
        record, weights = rule_of(layer).scale(layer, weights, exponents)
    except ValueError as error:
        message = f"layer {layer.name!r} ({layer.record.TYPE}) cannot be rescaled exactly: {error}"
        raise ExportError(message) from error
    return replace(layer, record=record), replace(resource, weights=weights) if resource else None


def _moved(before: Mapping[str, Resource], after: Mapping[str, Resource], name: str) -> bool:
    if name not in before:
        return False
    pairs = zip(before[name].weights, after[name].weights, strict=True)
    return not all(np.array_equal(a, b) for a, b in pairs)


def _large_values(
    network: Network,
    seen: Mapping[str, float],
    exponents: Exponents,
    limit: float,
    groups: Groups,
) -> Iterable[Unsaved]:
    for layer in network.layers:
        name = layer.outputs[0]
        stored = math.ldexp(seen[name], -exponents[name])
        if stored > limit:
            yield Unsaved(layer.name, layer.record.TYPE, stored, groups.reason(name))


def _large_weights(
    resources: Sequence[Resource], before: Mapping[str, Resource]
) -> Iterable[Unsaved]:
    for resource in resources:
        after = max((float(np.abs(a).max()) for a in resource.weights if a.size), default=0.0)
        if after > HALF_MAX:
            ours = resource.weights is not before[resource.layer].weights
            reason = "its weights took the scale of its input in" if ours else "its weights are so"
            yield Unsaved(resource.layer, resource.type, after, f"{reason}; half ends at 65504")
