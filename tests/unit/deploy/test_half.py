"""A network in half precision beside float32, and what the report says about it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor

from topformer_cli.deploy.artifact import Artifact
from topformer_cli.deploy.tnn.interpreter import LoadedTnn, load_tnn, run_tnn
from topformer_cli.deploy.tnn.layers import LAYERS
from topformer_cli.deploy.tnn.layers.activation import HardSigmoid, ReLU, Sigmoid
from topformer_cli.deploy.tnn.layers.channels import SplitV
from topformer_cli.deploy.tnn.layers.elementwise import Add, Mul
from topformer_cli.deploy.tnn.layers.record import LayerRecord
from topformer_cli.deploy.tnn.network import Input, Layer, Network, Resource
from topformer_cli.deploy.tnn.precision.half import check_half, simulate_half
from topformer_cli.deploy.tnn.precision.half_kernels import COMPUTED_IN_HALF
from topformer_cli.deploy.tnn.precision.half_report import HalfReport, half_report
from topformer_cli.deploy.tnn.precision.half_storage import STORED_IN_HALF
from topformer_cli.errors import ExportError

MAP = (1, 8, 12, 10)


def numbers(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


def net_of(
    layers: Sequence[Layer],
    resources: Sequence[Resource] = (),
    shape: tuple[int, ...] = MAP,
) -> LoadedTnn:
    network = Network((Input("x", shape),), (layers[-1].outputs[0],), tuple(layers))
    weights = {r.layer: tuple(map(torch.from_numpy, r.weights)) for r in resources}
    return LoadedTnn(Path("net.tnnproto"), network, weights)


def layer(record: LayerRecord, inputs: str = "x", outputs: str = "y") -> Layer:
    return Layer(outputs.split()[0], tuple(inputs.split()), tuple(outputs.split()), record)


@dataclass(frozen=True, slots=True)
class Unheard(LayerRecord):
    """A layer type without any rule."""

    TYPE: ClassVar[str] = "Unheard"
    CODE: ClassVar[int] = 0

    def compute(self, inputs: Sequence[Tensor], weights: Sequence[Tensor]) -> Sequence[Tensor]:  # noqa: ARG002
        return [inputs[0] + 1e-6]


@dataclass(frozen=True, slots=True)
class Largest(LayerRecord):
    """The place of the largest value, as whole numbers."""

    TYPE: ClassVar[str] = "Largest"
    CODE: ClassVar[int] = 0

    def compute(self, inputs: Sequence[Tensor], weights: Sequence[Tensor]) -> Sequence[Tensor]:  # noqa: ARG002
        return [inputs[0].argmax(1).int()]


class TestSimulation:
    def test_layers_without_a_kernel_are_computed_in_float32(self) -> None:
        loaded = net_of([layer(Unheard(), "x", "a"), layer(ReLU(), "a", "y")])
        found = simulate_half(loaded, {"x": np.ones(MAP, np.float32)})
        assert [item.precision for item in found.layers] == ["fp32", "fp16"]
        assert found.layers[0].error == 0
        assert found.layers[1].error == pytest.approx(1e-6, rel=0.1)

    def test_a_float32_output_is_not_rounded(self) -> None:
        loaded = net_of([layer(ReLU(), "x", "a"), layer(HardSigmoid(0.2, 0.5), "a", "y")])
        image = np.full(MAP, 0.1, np.float32)
        found = simulate_half(loaded, {"x": image}).values["y"]
        expected = np.float32(np.float16(0.1)) * np.float32(0.2) + np.float32(0.5)
        np.testing.assert_array_equal(found, np.full(MAP, expected))

    def test_an_overflow_is_named_and_goes_on(self) -> None:
        weights = [Resource("Mul", "a", (np.full(1, 300, np.float32),))]
        weights.append(Resource("Add", "y", (np.ones(1, np.float32),)))
        chain = [
            layer(Mul(1), "x", "a"),
            layer(Mul(-1), "a a", "b"),
            layer(Add(1), "b", "y"),
        ]
        loaded = net_of(chain, weights)
        report = check_half(loaded, [[np.ones(MAP, np.float32)]])
        assert report.first_overflow is not None
        assert report.first_overflow.name == "b"
        assert report.first_overflow.overflows == np.prod(MAP)
        assert report.first_overflow.headroom == pytest.approx(65504 / 90000)
        assert report.outputs[0].error == np.inf
        record = json.loads(json.dumps(report.to_json(), allow_nan=False))
        assert record["first_overflow"] == "b"
        assert record["layers"][1]["error"] is None

    def test_a_float32_layer_overflows_where_half_reads_it(self) -> None:
        big = [layer(Unheard(), "x", "a"), layer(ReLU(), "a", "y")]
        image = np.full(MAP, 70000, np.float32)
        unread = check_half(net_of([big[0]]), [[image]])
        assert unread.first_overflow is None
        report = check_half(net_of(big), [[image]])
        assert report.first_overflow is not None
        assert report.first_overflow.name == "a"

    def test_the_report_holds_the_worst_of_all_images(self) -> None:
        loaded = net_of([layer(ReLU(), "x", "a"), layer(Sigmoid(), "a", "y")])
        images = np.concatenate([numbers(*MAP), 100 * numbers(*MAP)])
        runs = [simulate_half(loaded, {"x": images[i : i + 1]}) for i in range(2)]
        report = half_report(runs, ["w"])
        assert report == half_report(runs[::-1], ["w"])
        assert report.images == 2
        assert report.largest["a"] == images.max()
        assert report.layers[1].error == max(run.layers[1].error for run in runs)
        shares = [run.outputs[0].labels_equal for run in runs]
        assert None not in shares
        assert report.outputs[0].labels_equal == pytest.approx(sum(filter(None, shares)) / 2)
        assert report.tightest(1)[0].name == "a"
        assert {item.name for item in report.worst()} == {"a", "y"}
        assert report.to_json()["weights_overflow"] == ["w"]

    def test_weights_that_half_cannot_hold_are_named(self) -> None:
        weights = [Resource("Add", "y", (np.full(1, 1e5, np.float32),))]
        report = check_half(net_of([layer(Add(1))], weights), [[numbers(*MAP)]])
        assert report.weights == ("y",)

    def test_labels_are_counted_only_over_classes(self) -> None:
        loaded = net_of([layer(ReLU())], shape=(1, 1, 4, 4))
        assert check_half(loaded, [[numbers(1, 1, 4, 4)]]).outputs[0].labels_equal is None

    def test_whole_numbers_are_labels_themselves(self) -> None:
        image = np.full((1, 4, 2, 2), 0.1, np.float32)
        image[0, 1] = 0.100003
        image[0, 2, 0] = 5
        loaded = net_of([layer(ReLU(), "x", "a"), layer(Largest(), "a", "y")], shape=(1, 4, 2, 2))
        found = check_half(loaded, [[image]])
        # 0.1 and 0.100003 are one half, so that the first of both wins; 5 stays the largest.
        assert found.outputs[0].labels_equal == 0.5

    def test_outputs_that_nobody_reads_and_inputs_read_twice(self) -> None:
        split = layer(SplitV(1, (3, 5)), "x", "p q")
        loaded = net_of([split, layer(Add(-1), "q q", "y")])
        found = simulate_half(loaded, {"x": numbers(*MAP)})
        np.testing.assert_allclose(found.values["y"], 2 * numbers(*MAP)[:, 3:], atol=4e-3)

    def test_a_written_network_on_two_images(self, exported: Artifact, images: np.ndarray) -> None:
        before = torch.get_num_threads()
        report = check_half(load_tnn(exported.tnnproto), [[images[:1]], [images[1:]]])
        assert torch.get_num_threads() == before
        assert isinstance(report, HalfReport)
        assert report.images == 2
        assert report.first_overflow is None
        assert 0 < report.outputs[0].error < 0.01
        assert report.outputs[0].labels_equal > 0.95

    def test_the_float32_side_is_the_interpreter(
        self, exported: Artifact, images: np.ndarray
    ) -> None:
        loaded = load_tnn(exported.tnnproto)
        feeds = {loaded.network.inputs[0].name: images[:1]}
        (name,) = loaded.network.outputs
        largest = simulate_half(loaded, feeds).layers[-1].largest
        assert largest == np.abs(run_tnn(loaded, feeds)[name]).max()

    def test_what_does_not_fit_is_refused(self) -> None:
        loaded = net_of([layer(SplitV(1, (2, 2)), "x", "p q")])
        with pytest.raises(ExportError, match=r"net.tnnproto: layer 'p' .SplitV."):
            check_half(loaded, [[numbers(*MAP)]])
        with pytest.raises(ExportError, match="takes the inputs"):
            check_half(loaded, [[numbers(1, 3, 2, 2)]])
        with pytest.raises(ExportError, match="takes the inputs x, got 2 arrays"):
            check_half(loaded, [[numbers(*MAP), numbers(*MAP)]])
        with pytest.raises(ExportError, match="no inputs"):
            check_half(loaded, [])


def test_layers_without_an_fp16_kernel_are_not_listed_as_having_one() -> None:
    assert {"Clip", "HardSigmoid", "HardSwish", "Upsample"} <= set(LAYERS) - COMPUTED_IN_HALF
    assert {"Convolution", "MatMul", "Add"} <= STORED_IN_HALF & COMPUTED_IN_HALF
