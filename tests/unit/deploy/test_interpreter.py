"""The interpreter reads a pair from disk and says what does not fit."""

from pathlib import Path

import numpy as np
import pytest

from topformer_cli.deploy.predictors import FilePredictor
from topformer_cli.deploy.runtimes import TnnRuntime
from topformer_cli.deploy.tnn.interpreter import load_tnn, run_tnn
from topformer_cli.deploy.tnn.layers.activation import ReLU
from topformer_cli.deploy.tnn.layers.channels import SplitV
from topformer_cli.deploy.tnn.layers.convolution import RELU6, Convolution
from topformer_cli.deploy.tnn.layers.elementwise import Add, Sub
from topformer_cli.deploy.tnn.layers.pooling import AVERAGE, Pooling
from topformer_cli.deploy.tnn.layers.record import LayerRecord
from topformer_cli.deploy.tnn.model import write_model
from topformer_cli.deploy.tnn.network import Input, Layer, Network, Resource
from topformer_cli.deploy.tnn.proto import write_proto
from topformer_cli.errors import ExportError

WEIGHT = np.full((2, 3, 1, 1), 2, np.float32)
CONV = Convolution(1, 3, 2, 1, 1, 1, 1, 0, 0, 0, activation=RELU6)
IMAGE = np.ones((1, 3, 4, 4), np.float32)


def write(
    folder: Path, *layers: Layer, outputs: tuple[str, ...] = ("y",), weight: np.ndarray = WEIGHT
) -> Path:
    network = Network((Input("x", (1, 3, 4, 4)),), outputs, layers)
    resources = [
        Resource(layer.record.TYPE, layer.name, (weight,))
        for layer in layers
        if layer.record.weight_count(len(layer.inputs))
    ]
    (folder / "net.tnnproto").write_text(write_proto(network))
    (folder / "net.tnnmodel").write_bytes(write_model(resources))
    return folder / "net.tnnproto"


def layer(record: LayerRecord, inputs: str = "x", outputs: str = "y") -> Layer:
    return Layer(outputs.split()[0], tuple(inputs.split()), tuple(outputs.split()), record)


def test_a_network_is_computed_and_its_outputs_may_be_used_inside(tmp_path: Path) -> None:
    proto = write(
        tmp_path,
        layer(CONV, "x", "c"),
        layer(SplitV(1, (1, 1)), "c", "p q"),
        layer(Sub(0), "p", "s"),
        layer(Add(-1), "s q", "y"),
        outputs=("y", "c"),
    )
    write_weights = [
        Resource("Convolution", "c", (WEIGHT,)),
        Resource("Sub", "s", (np.array([10], np.float32),)),
    ]
    (tmp_path / "net.tnnmodel").write_bytes(write_model(write_weights))
    found = run_tnn(load_tnn(proto), {"x": IMAGE})
    assert set(found) == {"y", "c"}
    np.testing.assert_array_equal(found["c"], np.full((1, 2, 4, 4), 6))
    np.testing.assert_array_equal(found["y"], np.full((1, 1, 4, 4), 10 - 6 + 6))


def test_half_precision_weights_are_computed_in_float32(tmp_path: Path) -> None:
    proto = write(tmp_path, layer(CONV), weight=WEIGHT.astype(np.float16))
    assert run_tnn(load_tnn(proto), {"x": IMAGE})["y"].dtype == np.float32


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (Convolution(1, 4, 2, 1, 1, 1, 1, 0, 0, 0), r"weights have shape \(2, 3, 1, 1\)"),
        (Convolution(1, 3, 2, 1, 1, 1, 1, 0, 0, 0, pad_type=0), "pad_type 0"),
        (Convolution(1, 3, 2, 1, 1, 1, 1, 0, 0, 0, activation=256), "activation 256"),
        (Pooling(AVERAGE, 0, 0, 1, 1, 0, 0, adaptive=1, out_h=2, out_w=2), "adaptive"),
        (Pooling(2, 3, 3, 1, 1, 1, 1), "pooling kind 2"),
        (SplitV(1, (2, 2)), "split"),
        (Add(7), "the constant at place 7"),
    ],
)
def test_what_tnn_would_not_compute_is_refused_by_layer(
    tmp_path: Path, record: LayerRecord, reason: str
) -> None:
    proto = write(tmp_path, layer(record))
    with pytest.raises(ExportError, match=f"layer 'y' .{record.TYPE}.: .*{reason}") as caught:
        run_tnn(load_tnn(proto), {"x": IMAGE})
    assert str(proto) in str(caught.value)


def test_another_input_is_refused(tmp_path: Path) -> None:
    loaded = load_tnn(write(tmp_path, layer(ReLU())))
    with pytest.raises(ExportError, match=r"takes the inputs \{'x': \(1, 3, 4, 4\)\}"):
        run_tnn(loaded, {"x": IMAGE[:, :, :2]})
    with pytest.raises(ExportError, match=r"got \{'z'"):
        run_tnn(loaded, {"z": IMAGE})


def test_a_predictor_runs_images_one_by_one(tmp_path: Path) -> None:
    predictor = FilePredictor(TnnRuntime(write(tmp_path, layer(ReLU()))))
    images = np.random.default_rng(0).standard_normal((3, 3, 4, 4), np.float32)
    images.setflags(write=False)
    np.testing.assert_array_equal(predictor(images), np.maximum(images, 0))
    assert predictor.name == "reference interpreter net.tnnproto"
    with pytest.raises(
        ExportError, match=r"takes inputs of shape \[1, 3, 4, 4\], got \[1, 3, 4, 2\]"
    ):
        predictor(images[:1, :, :, :2])


def test_a_predictor_has_one_output(tmp_path: Path) -> None:
    split = layer(SplitV(1, (1, 2)), "x", "p q")
    predictor = FilePredictor(TnnRuntime(write(tmp_path, split, outputs=("p", "q"))))
    with pytest.raises(ExportError, match="has 2 outputs, a predictor has one"):
        predictor(IMAGE)
