"""A layer, emitter or pass that exists is in its table: forgetting the line fails here."""

import importlib
import pkgutil
from collections.abc import Iterator
from types import ModuleType

from topformer_cli.deploy.tnn import emit, layers
from topformer_cli.deploy.tnn.emit.node import Emitter
from topformer_cli.deploy.tnn.layers.record import LayerRecord


def modules(package: ModuleType) -> Iterator[ModuleType]:
    for info in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        yield importlib.import_module(info.name)


def test_every_layer_record_is_in_the_table() -> None:
    found = {
        item
        for module in modules(layers)
        for item in vars(module).values()
        if isinstance(item, type) and issubclass(item, LayerRecord) and "TYPE" in vars(item)
    }
    assert found == set(layers.LAYERS.values())


def test_layer_codes_are_tnns_and_distinct_but_for_aliases() -> None:
    codes = {record.CODE for name, record in layers.LAYERS.items() if name != "SoftmaxCaffe"}
    assert len(codes) == len(layers.LAYERS) - 1
    assert layers.LAYERS["Convolution"].CODE == 1


def test_every_emitter_is_in_the_table() -> None:
    found = {
        id(item)
        for module in modules(emit)
        for item in vars(module).values()
        if isinstance(item, Emitter)
    }
    assert found == {id(emitter) for emitter in emit.EMITTERS.values()}
