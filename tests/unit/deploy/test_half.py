"""Half precision: what is stored, how a phone rounds, and what the report says about it."""

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
from topformer_cli.deploy.tnn.half import (
    HalfReport,
    check_half,
    half_report,
    simulate_half,
)
from topformer_cli.deploy.tnn.half_kernels import COMPUTED_IN_HALF, compute_half
from topformer_cli.deploy.tnn.half_storage import STORED_IN_HALF, store_half, to_half
from topformer_cli.deploy.tnn.half_winograd import winograd, winograd_form
from topformer_cli.deploy.tnn.interpreter import LoadedTnn, load_tnn, run_tnn
from topformer_cli.deploy.tnn.layers import LAYERS
from topformer_cli.deploy.tnn.layers.activation import HardSigmoid, ReLU, Sigmoid
from topformer_cli.deploy.tnn.layers.channels import SplitV
from topformer_cli.deploy.tnn.layers.convolution import NO_ACTIVATION, RELU, RELU6, Convolution
from topformer_cli.deploy.tnn.layers.elementwise import Add, Div, Mul
from topformer_cli.deploy.tnn.layers.matmul import MatMul
from topformer_cli.deploy.tnn.layers.record import LayerRecord
from topformer_cli.deploy.tnn.layers.softmax import SoftmaxCaffe
from topformer_cli.deploy.tnn.model import parse_model, write_model
from topformer_cli.deploy.tnn.network import Input, Layer, Network, Resource
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


def conv(group: int, channels: tuple[int, int], kernel: int, **options: int) -> Convolution:
    stride, pad = options.get("stride", 1), options.get("pad", 0)
    return Convolution(
        group, channels[0] // group, channels[1], kernel, kernel, stride, stride, pad, pad, 1,
        activation=options.get("activation", NO_ACTIVATION),
    )  # fmt: skip


def weights_of(record: Convolution) -> tuple[np.ndarray, np.ndarray]:
    kernel = (record.kernel_h, record.kernel_w)
    shape = (record.out_channels, record.in_per_group, *kernel)
    return numbers(*shape, seed=1), numbers(record.out_channels, seed=2)


class TestStorage:
    def test_weights_become_half_and_read_back(self) -> None:
        weight = numbers(4, 3, 1, 1)
        stored = to_half([Resource("Convolution", "c", (weight, numbers(4)))])
        content = write_model(stored)
        assert [array.dtype for array in parse_model(content)[0].weights] == [np.float16] * 2
        np.testing.assert_array_equal(parse_model(content)[0].weights[0], weight.astype("f2"))

    def test_what_does_not_fit_stays_and_what_vanishes_is_counted(self) -> None:
        large = Resource("Add", "a", (np.array([65505, 1], np.float32),))
        tiny = Resource("Mul", "m", (np.array([1e-9, 0, 1, 2e-8], np.float32),))
        found = store_half([large, tiny])
        assert found.resources[0] is large
        assert found.resources[1].weights[0].dtype == np.float16
        assert found.to_json() == {
            "kept": [{"layer": "a", "type": "Add", "largest": 65505.0}],
            "vanished": {"m": 2},
        }

    def test_the_largest_half_is_stored(self) -> None:
        found = store_half([Resource("Add", "a", (np.array([65504], np.float32),))])
        assert found.resources[0].weights[0][0] == 65504
        assert not found.kept

    def test_other_layers_and_whole_numbers_are_left_alone(self) -> None:
        others = (
            Resource("Const", "k", (np.ones(1, np.float32),)),
            Resource("Convolution", "q", (np.ones((1, 1, 1, 1), np.int8),)),
            Resource("InnerProduct", "i", (np.ones((1, 1), np.float32), np.empty(0, np.float32))),
        )
        found = to_half(others)
        assert found[:2] == others[:2]
        assert found[2].weights[1].dtype == np.float16

    def test_a_stored_network_is_computed_with_rounded_weights(self, artifact: Artifact) -> None:
        loaded = load_tnn(artifact.tnnproto)
        model = artifact.tnnproto.with_suffix(".tnnmodel")
        before = model.stat().st_size
        model.write_bytes(write_model(to_half(parse_model(model.read_bytes()))))
        halved = load_tnn(artifact.tnnproto)
        assert model.stat().st_size < 0.7 * before
        for name, weights in loaded.weights.items():
            for full, half in zip(weights, halved.weights[name], strict=True):
                assert torch.equal(full.half().float(), half)


def one_by_one(start: np.ndarray, pairs: Sequence[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Add products up with a rounding to half after every one."""
    total = start.astype(np.float16)
    for left, right in pairs:
        product = left.astype(np.float16).astype(np.float64) * right.astype(np.float16)
        total = (total + product.astype(np.float32)).astype(np.float16)
    return total


def run_half(record: LayerRecord, image: np.ndarray, *weights: np.ndarray) -> np.ndarray:
    inputs = [torch.from_numpy(image).half()]
    return compute_half(record, inputs, [torch.from_numpy(w) for w in weights])[0].numpy()


class TestKernels:
    def test_a_1x1_convolution_rounds_after_every_channel_from_the_bias_on(self) -> None:
        record = conv(1, (20, 5), 1)
        image, (weight, bias) = numbers(1, 20, 3, 1), weights_of(record)
        found = run_half(record, image, weight, bias)[0, :, :, 0]
        pairs = [(weight[:, c, 0], image[0, c, :, 0][None]) for c in range(20)]
        np.testing.assert_array_equal(found, one_by_one(np.repeat(bias[:, None], 3, 1), pairs))

    def test_kernel_positions_come_before_the_next_eight_channels(self) -> None:
        record = conv(1, (10, 2), 2)
        image, (weight, bias) = numbers(1, 10, 2, 2), weights_of(record)
        found = run_half(record, image, weight, bias)[0, :, 0, 0]
        order = [
            (first + c, y, x)
            for first, count in ((0, 8), (8, 2))
            for y in range(2)
            for x in range(2)
            for c in range(count)
        ]
        pairs = [(weight[:, c, y, x], image[0, c, y, x]) for c, y, x in order]
        np.testing.assert_array_equal(found, one_by_one(bias, pairs))

    @pytest.mark.parametrize("kernel", [3, 5])
    def test_depthwise_adds_the_bias_last(self, kernel: int) -> None:
        record = conv(6, (6, 6), kernel)
        image, (weight, bias) = numbers(1, 6, kernel, kernel), weights_of(record)
        found = run_half(record, image, weight, bias)[0, :, 0, 0]
        places = [(y, x) for y in range(kernel) for x in range(kernel)]
        if kernel == 3:
            places = [(y, x) for x, y in places]
        pairs = [(weight[:, 0, y, x], image[0, :, y, x]) for y, x in places]
        total = one_by_one(np.zeros(6), pairs)
        np.testing.assert_array_equal(found, total + bias.astype(np.float16))

    @pytest.mark.parametrize(
        "record",
        [
            conv(1, (3, 8), 3, stride=2, pad=1, activation=RELU),
            conv(1, (8, 6), 3, stride=2, pad=1, activation=RELU6),
            conv(2, (8, 6), 3, pad=1),
            conv(8, (8, 8), 5, stride=2, pad=2),
            conv(8, (8, 16), 3, stride=2, pad=1),
            conv(1, (1, 1), 3, pad=1),
            Convolution(1, 8, 4, 3, 2, 1, 2, 2, 1, 1, -1, 2, 1),
        ],
    )
    def test_every_convolution_lies_near_float32(self, record: Convolution) -> None:
        image = numbers(1, record.group * record.in_per_group, 9, 10)
        weights = weights_of(record)
        found = run_half(record, image, *weights)
        tensors = [torch.from_numpy(w) for w in weights]
        expected = record.compute([torch.from_numpy(image)], tensors)[0].numpy()
        np.testing.assert_allclose(found, expected, rtol=0, atol=0.01 * np.abs(expected).max())

    def test_a_sum_beyond_the_range_is_infinite_though_its_end_is_not(self) -> None:
        record = Convolution(1, 4, 1, 1, 1, 1, 1, 0, 0, 0)
        image = np.full((1, 4, 1, 1), 60000, np.float32)
        weight = np.array([1, 1, -1, -1], np.float32).reshape(1, 4, 1, 1)
        assert run_half(record, image, weight)[0, 0, 0, 0] == np.inf

    def test_a_constant_matrix_is_cut_and_clamped(self) -> None:
        matrix = np.array([[1.0009, -1.0009, 1e6]], np.float32)
        found = run_half(MatMul(1), np.ones((1, 1, 1, 1), np.float32), matrix)[0, 0, 0]
        np.testing.assert_array_equal(found, np.array([1, -1, 65504], np.float16))

    def test_a_stored_half_matrix_is_not_cut(self) -> None:
        matrix = np.array([[1.0009]], np.float32).astype(np.float16).astype(np.float32)
        found = run_half(MatMul(1), np.ones((1, 1, 1, 1), np.float32), matrix)
        assert found[0, 0, 0, 0] == np.float16(1.0009)

    @pytest.mark.parametrize("axis", [1, 2, 3])
    @pytest.mark.parametrize("size", [3, 6, 21, 64])
    def test_softmax_lies_near_float32(self, axis: int, size: int) -> None:
        shape = [1, 2, 2, 2]
        shape[axis] = size
        image = numbers(*shape)
        found = run_half(SoftmaxCaffe(axis), image)
        expected = torch.from_numpy(image).softmax(axis).numpy()
        np.testing.assert_allclose(found, expected, rtol=0, atol=2e-3)

    def test_values_are_added_in_half(self) -> None:
        image = np.full((1, 4096, 1, 1), -6, np.float32)
        image[0, 0] = 0
        # Each exp(-6) is 0.0025; 1 grows by them until half rounds them away below 2^-9 of it.
        found = run_half(SoftmaxCaffe(1), image)
        assert found[0, 0, 0, 0] > 1.05 / (1 + 4095 * np.exp(-6))

    def test_division_multiplies_by_a_rounded_reciprocal(self) -> None:
        image = numbers(1, 2, 3, 3)
        found = run_half(Div(1), image, np.full(1, 3, np.float32))
        third = np.float16(1) / np.float16(3)
        np.testing.assert_array_equal(found, image.astype(np.float16) * third)


class TestWinograd:
    def test_small_tiles_of_whole_numbers_are_exact(self) -> None:
        random = np.random.default_rng(0)
        weight = torch.from_numpy(4.0 * random.integers(-2, 3, (8, 8, 3, 3))).float()
        image = torch.from_numpy(random.integers(-3, 4, (2, 8, 15, 11))).half()
        assert winograd_form(conv(1, (8, 8), 3, pad=1), (13, 9)) is None
        form = winograd_form(conv(1, (64, 64), 3, pad=1), (2, 2))
        assert form is not None
        assert form.unit == 2
        found = winograd(form, image, weight, (13, 9))
        assert torch.equal(found.float(), torch.nn.functional.conv2d(image.float(), weight))

    @pytest.mark.parametrize("size", [(8, 8), (11, 14)])
    def test_large_tiles_lie_near_float32(self, size: tuple[int, int]) -> None:
        record = conv(1, (16, 16), 3, pad=1, activation=RELU)
        form = winograd_form(record, (24, 24))
        assert form is not None
        assert form.unit == 4
        image, (weight, bias) = numbers(1, 16, *size), weights_of(record)
        found = run_half(record, image, weight, bias)
        tensors = [torch.from_numpy(w) for w in (weight, bias)]
        expected = record.compute([torch.from_numpy(image)], tensors)[0].numpy()
        assert found.shape == expected.shape
        np.testing.assert_allclose(found, expected, rtol=0, atol=0.05 * expected.max())

    def test_it_overflows_where_the_direct_sum_does_not(self) -> None:
        record = conv(1, (16, 16), 3, pad=1)
        image = 10000 * (-1.0) ** np.indices((1, 16, 24, 24)).sum(0).astype(np.float32)
        weight = np.zeros((16, 16, 3, 3), np.float32)
        weight[:, 0, 1, 1] = 1
        bias = np.zeros(16, np.float32)
        assert not np.isfinite(run_half(record, image, weight, bias)).all()
        strided = conv(1, (16, 16), 3, pad=1, stride=2)
        assert np.isfinite(run_half(strided, image, weight, bias)).all()

    @pytest.mark.parametrize(
        "record",
        [
            conv(1, (16, 16), 3, stride=2),
            conv(1, (16, 16), 5),
            conv(1, (3, 16), 3),
            conv(1, (4, 4), 3),
            conv(2, (16, 16), 3),
            Convolution(1, 16, 16, 3, 3, 1, 1, 2, 2, 1, -1, 2, 2),
        ],
    )
    def test_other_convolutions_are_summed_directly(self, record: Convolution) -> None:
        assert winograd_form(record, (24, 24)) is None


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
        report = check_half(loaded, np.ones(MAP, np.float32))
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
        unread = check_half(net_of([big[0]]), image)
        assert unread.first_overflow is None
        report = check_half(net_of(big), image)
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
        report = check_half(net_of([layer(Add(1))], weights), numbers(*MAP))
        assert report.weights == ("y",)

    def test_labels_are_counted_only_over_classes(self) -> None:
        loaded = net_of([layer(ReLU())], shape=(1, 1, 4, 4))
        assert check_half(loaded, numbers(1, 1, 4, 4)).outputs[0].labels_equal is None

    def test_whole_numbers_are_labels_themselves(self) -> None:
        image = np.full((1, 4, 2, 2), 0.1, np.float32)
        image[0, 1] = 0.100003
        image[0, 2, 0] = 5
        loaded = net_of([layer(ReLU(), "x", "a"), layer(Largest(), "a", "y")], shape=(1, 4, 2, 2))
        found = check_half(loaded, image)
        # 0.1 and 0.100003 are one half, so that the first of both wins; 5 stays the largest.
        assert found.outputs[0].labels_equal == 0.5

    def test_outputs_that_nobody_reads_and_inputs_read_twice(self) -> None:
        split = layer(SplitV(1, (3, 5)), "x", "p q")
        loaded = net_of([split, layer(Add(-1), "q q", "y")])
        found = simulate_half(loaded, {"x": numbers(*MAP)})
        np.testing.assert_allclose(found.values["y"], 2 * numbers(*MAP)[:, 3:], atol=4e-3)

    def test_a_written_network_is_checked_by_path(
        self, exported: Artifact, images: np.ndarray
    ) -> None:
        before = torch.get_num_threads()
        report = check_half(exported.tnnproto, images)
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
            check_half(loaded, numbers(*MAP))
        with pytest.raises(ExportError, match="takes the inputs"):
            check_half(loaded, numbers(1, 3, 2, 2))
        with pytest.raises(ExportError, match="1 inputs and 0 images"):
            check_half(loaded, numbers(*MAP)[:0])


def test_layers_without_an_fp16_kernel_are_not_listed_as_having_one() -> None:
    assert {"Clip", "HardSigmoid", "HardSwish", "Upsample"} <= set(LAYERS) - COMPUTED_IN_HALF
    assert {"Convolution", "MatMul", "Add"} <= STORED_IN_HALF & COMPUTED_IN_HALF
