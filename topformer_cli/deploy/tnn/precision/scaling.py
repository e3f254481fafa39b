"""How each TNN layer type bears powers of two on its blobs: the table behind `rescale`.

A blob with exponent e holds its true values times 2^-e. A rule says which blobs of a layer must
have equal exponents, which exponents add up, and which must be 0; and rewrites the layer's
parameters and weights for given exponents, so that it computes the same true values. Multiplying
by a power of two is exact in float32 while nothing leaves its range.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

import numpy as np

from topformer_cli.deploy.tnn.layers.convolution import NO_ACTIVATION, RELU
from topformer_cli.deploy.tnn.layers.record import LayerRecord
from topformer_cli.deploy.tnn.network import Layer, Weights

Exponents: TypeAlias = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Binding:
    """What a layer demands of the exponents of its blobs.

    equal: blobs with one exponent. zero: blobs that keep their true values. total: (a, b, c) where
    c has the exponents of a and b added.
    """

    equal: tuple[str, ...] = ()
    zero: tuple[str, ...] = ()
    total: tuple[str, str, str] | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """The demands of a layer type, and how its parameters and weights take the exponents in."""

    bind: Callable[[Layer], Binding]
    scale: Callable[[Layer, Weights, Exponents], tuple[LayerRecord, Weights]]


def rule_of(layer: Layer) -> Rule:
    """Return the rule of a layer; a type without one keeps all its blobs as they are."""
    return RULES.get(layer.record.TYPE, _PINNED)


def times(array: np.ndarray[Any, Any], exponent: int) -> np.ndarray[Any, Any]:
    """Multiply by 2^exponent.

    Raises:
        ValueError: a value leaves float32's normal range, so that the product is not exact.
    """
    with np.errstate(over="ignore", under="ignore"):
        product: np.ndarray[Any, Any] = np.ldexp(array, exponent).astype(array.dtype)
        back = np.ldexp(product, -exponent)
    if not np.array_equal(back, array):
        message = f"a weight times 2^{exponent} is no {array.dtype} any more"
        raise ValueError(message)
    return product


def _unchanged(layer: Layer, weights: Weights, exponents: Exponents) -> tuple[LayerRecord, Weights]:  # noqa: ARG001
    return layer.record, weights


def _all_zero(layer: Layer) -> Binding:
    return Binding(zero=(*layer.inputs, *layer.outputs))


def _all_equal(layer: Layer) -> Binding:
    return Binding(equal=(*layer.inputs, *layer.outputs))


def _bind_linear(layer: Layer) -> Binding:
    activation = getattr(layer.record, "activation", NO_ACTIVATION)
    return Binding(zero=() if activation in (NO_ACTIVATION, RELU) else layer.outputs)


def _scale_linear(
    layer: Layer, weights: Weights, exponents: Exponents
) -> tuple[LayerRecord, Weights]:
    before, after = exponents[layer.inputs[0]], exponents[layer.outputs[0]]
    first, *biases = weights
    return layer.record, (times(first, before - after), *(times(b, -after) for b in biases))


def _scale_summand(
    layer: Layer, weights: Weights, exponents: Exponents
) -> tuple[LayerRecord, Weights]:
    return layer.record, tuple(times(array, -exponents[layer.outputs[0]]) for array in weights)


def _bind_product(layer: Layer) -> Binding:
    if len(layer.inputs) == 1:
        return Binding()
    return Binding(total=(layer.inputs[0], layer.inputs[1], layer.outputs[0]))


def _scale_product(
    layer: Layer, weights: Weights, exponents: Exponents
) -> tuple[LayerRecord, Weights]:
    if not weights:
        return layer.record, weights
    return _scale_linear(layer, weights, exponents)


def _bind_quotient(layer: Layer) -> Binding:
    if len(layer.inputs) == 1:
        return Binding()
    return Binding(total=(layer.outputs[0], layer.inputs[1], layer.inputs[0]))


def _scale_quotient(
    layer: Layer, weights: Weights, exponents: Exponents
) -> tuple[LayerRecord, Weights]:
    if not weights:
        return layer.record, weights
    before, after = exponents[layer.inputs[0]], exponents[layer.outputs[0]]
    constant_is_left = getattr(layer.record, "constant", 1) == 0
    exponent = -after - before if constant_is_left else after - before
    return layer.record, tuple(times(array, exponent) for array in weights)


def _scale_slope(
    layer: Layer, weights: Weights, exponents: Exponents
) -> tuple[LayerRecord, Weights]:
    record: Any = layer.record
    slope = record.alpha * 2.0 ** exponents[layer.inputs[-1]]
    return replace(record, alpha=slope), weights


def _bind_swish(layer: Layer) -> Binding:
    return Binding(equal=(layer.inputs[0], layer.outputs[0]))


def _scale_bounds(
    layer: Layer, weights: Weights, exponents: Exponents
) -> tuple[LayerRecord, Weights]:
    record: Any = layer.record
    factor = 2.0 ** -exponents[layer.outputs[0]]
    # The largest float32 stands for no bound at all and stays.
    bounds = {
        name: value if abs(value) > _NO_BOUND else value * factor
        for name, value in (("minimum", record.minimum), ("maximum", record.maximum))
    }
    return replace(record, **bounds), weights


def _scale_border(
    layer: Layer, weights: Weights, exponents: Exponents
) -> tuple[LayerRecord, Weights]:
    record: Any = layer.record
    return replace(record, value=record.value * 2.0 ** -exponents[layer.outputs[0]]), weights


def _outputs_zero(layer: Layer) -> Binding:
    return Binding(zero=layer.outputs)


_NO_BOUND: Final = 1e30
_PINNED: Final = Rule(_all_zero, _unchanged)
_SAME: Final = Rule(_all_equal, _unchanged)
_LINEAR: Final = Rule(_bind_linear, _scale_linear)
_PRODUCT: Final = Rule(_bind_product, _scale_product)

RULES: Final[dict[str, Rule]] = {
    "Abs": _SAME,
    "Add": Rule(_all_equal, _scale_summand),
    "ArgMaxOrMin": Rule(_outputs_zero, _unchanged),
    "BatchNormCxx": _LINEAR,
    "Clip": Rule(_all_equal, _scale_bounds),
    "Concat": _SAME,
    "Convolution": _LINEAR,
    "Deconvolution": _LINEAR,
    "Div": Rule(_bind_quotient, _scale_quotient),
    "Expand": _SAME,
    "Flatten": _SAME,
    "HardSigmoid": Rule(_outputs_zero, _scale_slope),
    "HardSwish": Rule(_bind_swish, _scale_slope),
    "InnerProduct": _LINEAR,
    "MatMul": _PRODUCT,
    "Maximum": Rule(_all_equal, _scale_summand),
    "Minimum": Rule(_all_equal, _scale_summand),
    "Mul": _PRODUCT,
    "Neg": _SAME,
    "PReLU": _SAME,
    "PadV2": Rule(_all_equal, _scale_border),
    "Permute": _SAME,
    "PixelShuffle": _SAME,
    "Pooling": _SAME,
    "ReLU": _SAME,
    "ReduceMax": _SAME,
    "ReduceMean": _SAME,
    "ReduceMin": _SAME,
    "ReduceSum": _SAME,
    "Reorg": _SAME,
    "Reshape": _SAME,
    "SplitV": _SAME,
    "Squeeze": _SAME,
    "StridedSliceV2": _SAME,
    "Sub": Rule(_all_equal, _scale_summand),
    "Unsqueeze": _SAME,
    "Upsample": _SAME,
}
"""TNN's name of a layer type -> its rule; some types are ready before the layer table has them."""
