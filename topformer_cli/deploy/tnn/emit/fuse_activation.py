"""Put a ReLU or ReLU6 into the convolution before it, as TNN's activation field."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from topformer_cli.deploy.tnn.emit.node import Emitted
from topformer_cli.deploy.tnn.layers.activation import ReLU, ReLU6
from topformer_cli.deploy.tnn.layers.convolution import (
    NO_ACTIVATION,
    RELU,
    RELU6,
    Convolution,
)
from topformer_cli.deploy.tnn.layers.record import LayerRecord

_CODES: Final[dict[type[LayerRecord], int]] = {ReLU: RELU, ReLU6: RELU6}


def fuse_activations(emitted: Sequence[Emitted], network_outputs: Sequence[str]) -> list[Emitted]:
    """Return the layers with each activation that alone reads a convolution put into it.

    Given: Convolution(x) -> a, ReLU(a) -> b    Result: Convolution(x, activation 1) -> b
    """
    readers = Counter(name for item in emitted for name in item.layer.inputs)
    readers.update(network_outputs)
    result: list[Emitted] = []
    makers: dict[str, int] = {}
    for item in emitted:
        place = makers.get(item.layer.inputs[0])
        fused = None
        if place is not None and readers[item.layer.inputs[0]] == 1:
            fused = _fuse(result[place], item)
        if place is not None and fused is not None:
            result[place] = fused
        else:
            result.append(item)
            place = len(result) - 1
        makers.update(dict.fromkeys(item.layer.outputs, place))
    return result


def _fuse(maker: Emitted, activation: Emitted) -> Emitted | None:
    record, code = maker.layer.record, _CODES.get(type(activation.layer.record))
    if not isinstance(record, Convolution) or record.activation != NO_ACTIVATION or code is None:
        return None
    layer = replace(
        maker.layer, outputs=activation.layer.outputs, record=replace(record, activation=code)
    )
    return replace(maker, layer=layer)
