"""How a phone rounds in half precision, kernel by kernel."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch

from topformer_cli.deploy.tnn.layers.convolution import NO_ACTIVATION, RELU, RELU6, Convolution
from topformer_cli.deploy.tnn.layers.elementwise import Div
from topformer_cli.deploy.tnn.layers.matmul import MatMul
from topformer_cli.deploy.tnn.layers.record import LayerRecord
from topformer_cli.deploy.tnn.layers.softmax import SoftmaxCaffe
from topformer_cli.deploy.tnn.precision.half_kernels import compute_half
from topformer_cli.deploy.tnn.precision.half_winograd import winograd, winograd_form


def numbers(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


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
