"""What a TNN network is said to be made of, and what differs between two."""

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest

from topformer_cli.deploy.artifact import Artifact
from topformer_cli.deploy.tnn.describe import describe
from topformer_cli.deploy.tnn.difference import diff
from topformer_cli.deploy.tnn.interpreter import load_tnn, run_tnn
from topformer_cli.deploy.tnn.layers.activation import HardSigmoid, ReLU
from topformer_cli.deploy.tnn.layers.convolution import RELU6, Convolution
from topformer_cli.deploy.tnn.layers.elementwise import Add
from topformer_cli.deploy.tnn.layers.matmul import MatMul
from topformer_cli.deploy.tnn.layers.pooling import AVERAGE, Pooling
from topformer_cli.deploy.tnn.layers.record import LayerRecord
from topformer_cli.deploy.tnn.layers.shape import Reshape
from topformer_cli.deploy.tnn.model import write_model
from topformer_cli.deploy.tnn.network import Input, Layer, Network, Resource
from topformer_cli.deploy.tnn.proto import write_proto
from topformer_cli.errors import ExportError

DEPTHWISE = Convolution(3, 1, 3, 5, 5, 2, 2, 2, 2, 1, activation=RELU6)
POINTWISE = Convolution(1, 3, 8, 1, 1, 1, 1, 0, 0, 0)
CHAIN: tuple[LayerRecord, ...] = (
    DEPTHWISE,
    POINTWISE,
    HardSigmoid(0.25, 0.5),
    Pooling(AVERAGE, 0, 0, 1, 1, 0, 0),
    Add(1),
    Reshape(0, 2, (1, 8)),
    MatMul(1),
)
WEIGHTS = {
    0: (np.ones((3, 1, 5, 5)), np.zeros(3)),
    1: (np.ones((8, 3, 1, 1)),),
    4: (np.ones((1, 8, 1, 1)),),
    6: (np.ones((8, 10)),),
}


def write(
    folder: Path, records: tuple[LayerRecord, ...], dtype: type = np.float32, name: str = "net"
) -> Path:
    """Write a chain of layers y0, y1, ...; weights go to the records of CHAIN that have some."""
    layers = tuple(
        Layer(f"y{i}", (f"y{i - 1}" if i else "x",), (f"y{i}",), record)
        for i, record in enumerate(records)
    )
    network = Network((Input("x", (1, 3, 16, 12)),), (layers[-1].name,), layers)
    resources = [
        Resource(record.TYPE, f"y{i}", tuple(one.astype(dtype) for one in WEIGHTS[place]))
        for i, record in enumerate(records)
        for place, known in enumerate(CHAIN)
        if known is record and place in WEIGHTS
    ]
    proto = folder / f"{name}.tnnproto"
    proto.write_text(write_proto(network))
    proto.with_suffix(".tnnmodel").write_bytes(write_model(resources))
    return proto


def test_every_layer_is_counted(tmp_path: Path) -> None:
    found = describe(write(tmp_path, CHAIN))
    rows = [(one.shapes, one.weights, one.multiply_adds) for one in found.layers]
    assert rows == [
        (((1, 3, 8, 6),), 3 * 25 + 3, 3 * 25 * 8 * 6),
        (((1, 8, 8, 6),), 24, 24 * 8 * 6),
        (((1, 8, 8, 6),), 0, 0),
        (((1, 8, 1, 1),), 0, 0),
        (((1, 8, 1, 1),), 8, 0),
        (((1, 8),), 0, 0),
        (((1, 10),), 80, 80),
    ]
    assert [one.kernel for one in found.layers[:4]] == ["dw 5x5/2", "1x1", "", "whole map"]
    assert [one.activation for one in found.layers[:3]] == ["ReLU6", "", ""]
    assert (found.weights, found.weight_bytes, found.storage) == (190, 760, "fp32")
    assert found.multiply_adds == 3600 + 1152 + 80
    assert [(one.name, one.shape) for one in found.inputs] == [("x", (1, 3, 16, 12))]
    assert [(one.name, one.shape) for one in found.outputs] == [("y6", (1, 10))]
    assert found.proto_bytes == found.proto.stat().st_size
    assert found.unknown == 0


def test_shapes_are_those_that_are_computed(tmp_path: Path) -> None:
    proto = write(tmp_path, CHAIN)
    outputs = run_tnn(load_tnn(proto), {"x": np.ones((1, 3, 16, 12), np.float32)})
    assert {one.name: one.shape for one in describe(proto).outputs} == {
        name: array.shape for name, array in outputs.items()
    }


def test_half_precision_storage_is_told(tmp_path: Path) -> None:
    found = describe(write(tmp_path, CHAIN, np.float16))
    assert (found.storage, found.weight_bytes, found.weights) == ("fp16", 380, 190)


def test_without_weights_the_text_tells_what_it_can(tmp_path: Path) -> None:
    proto = write(tmp_path, CHAIN)
    whole = describe(proto)
    proto.with_suffix(".tnnmodel").unlink()
    found = describe(proto)
    assert found.model_bytes is None
    assert found.storage == ""
    # The matrix of the last layer stands in the .tnnmodel file alone.
    assert [one.shapes for one in found.layers[:6]] == [one.shapes for one in whole.layers[:6]]
    assert found.layers[6].shapes is found.outputs[0].shape is None
    assert [one.weights for one in found.layers] == [78, 24, 0, 0, None, 0, None]
    assert found.multiply_adds == whole.multiply_adds - 80
    assert found.unknown == 2


def test_what_does_not_go_together_is_named(tmp_path: Path) -> None:
    proto = write(tmp_path, (dataclasses.replace(POINTWISE, in_per_group=4),))
    proto.with_suffix(".tnnmodel").unlink()
    with pytest.raises(ExportError, match=r"net.tnnproto: layer 'y0' .Convolution.: "):
        describe(proto)


def test_a_network_does_not_differ_from_itself(exported: Artifact) -> None:
    found = diff(describe(exported.tnnproto), describe(exported.tnnproto))
    assert (found.types, found.changes, found.other_weights) == ((), (), 0)
    assert found.same == len(describe(exported.tnnproto).layers)
    assert all(one.before == one.after for one in found.totals)


def test_layers_are_matched_by_what_they_compute(tmp_path: Path) -> None:
    plain = dataclasses.replace(DEPTHWISE, activation=0)
    before = describe(write(tmp_path, (DEPTHWISE, HardSigmoid(0.25, 0.5), ReLU()), name="a"))
    after = write(tmp_path, (DEPTHWISE, HardSigmoid(0.2, 0.5), ReLU(), ReLU()), name="b")
    found = diff(before, describe(after))
    assert [(one.kind, one.before and one.before.name, one.after and one.after.name)
            for one in found.changes] == [
        ("changed", "y1", "y1"), ("added", None, "y3"),
    ]  # fmt: skip
    assert found.same == 2
    assert [(one.what, one.before, one.after) for one in found.types] == [("ReLU", 1, 2)]
    after.with_suffix(".tnnmodel").unlink()
    text = after.read_text().replace(*(" ".join(one.words()) for one in (DEPTHWISE, plain)))
    after.write_text(text)
    unfused = diff(before, describe(after))
    assert [one.kind for one in unfused.changes] == ["changed", "changed", "added"]
    assert unfused.other_weights is None
    gone = diff(describe(after), before).changes
    assert [one.kind for one in gone] == ["changed", "changed", "removed"]


def test_other_weights_of_the_same_layers_are_counted(exported: Artifact, tmp_path: Path) -> None:
    for path in (exported.tnnproto, exported.tnnmodel):
        shutil.copy(path, tmp_path)
    model = tmp_path / exported.tnnmodel.name
    content = bytearray(model.read_bytes())
    content[-1] ^= 1
    model.write_bytes(content)
    found = diff(describe(exported.tnnproto), describe(tmp_path / exported.tnnproto.name))
    assert (found.changes, found.other_weights) == ((), 1)


def test_networks_that_cannot_be_matched_in_time_are_refused(tmp_path: Path) -> None:
    long = describe(write(tmp_path, (ReLU(),) * 3))
    layers = long.layers * 2000
    with pytest.raises(ExportError, match=r"net.tnnproto: 6000 layers, a difference takes 5000"):
        diff(long, dataclasses.replace(long, layers=layers))
