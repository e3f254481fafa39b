"""Rescaling by powers of two: the float32 function stays, bit by bit, and the overflow goes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from torch import Tensor

from topformer_cli.deploy.tnn.interpreter import LoadedTnn, run_tnn
from topformer_cli.deploy.tnn.layers import LAYERS
from topformer_cli.deploy.tnn.layers.activation import (
    Clip,
    HardSigmoid,
    HardSwish,
    ReLU,
    ReLU6,
    Sigmoid,
)
from topformer_cli.deploy.tnn.layers.channels import Concat, SplitV
from topformer_cli.deploy.tnn.layers.convolution import RELU, RELU6, Convolution
from topformer_cli.deploy.tnn.layers.elementwise import Add, Div, Mul, Sub
from topformer_cli.deploy.tnn.layers.matmul import MatMul
from topformer_cli.deploy.tnn.layers.pooling import AVERAGE, Pooling
from topformer_cli.deploy.tnn.layers.record import LayerRecord
from topformer_cli.deploy.tnn.layers.shape import Permute, Reshape
from topformer_cli.deploy.tnn.layers.softmax import Softmax
from topformer_cli.deploy.tnn.layers.upsample import BILINEAR, Upsample
from topformer_cli.deploy.tnn.model import write_model
from topformer_cli.deploy.tnn.network import Input, Layer, Network, Resource
from topformer_cli.deploy.tnn.precision.half import check_half
from topformer_cli.deploy.tnn.precision.rescale import Rescaled, rescale, rescale_files
from topformer_cli.deploy.tnn.precision.scaling import RULES, times
from topformer_cli.deploy.tnn.proto import write_proto
from topformer_cli.errors import ExportError

IMAGE = np.random.default_rng(0).standard_normal((1, 4, 6, 6), dtype=np.float32)
PINNED_ON_PURPOSE = {
    "Ceil", "Elu", "Exp", "Floor", "GELU", "InstBatchNormCxx", "Log", "Power", "ReLU6",
    "Reciprocal", "Selu", "Sigmoid", "Sign", "Softmax", "SoftmaxCaffe", "Softplus", "Sqrt",
    "Swish", "Tanh",
}  # fmt: skip
"""Layers that need the true values of what they read, and give true values."""


@dataclass(frozen=True, slots=True)
class Unheard(LayerRecord):
    """A layer type without any rule."""

    TYPE: ClassVar[str] = "Unheard"
    CODE: ClassVar[int] = 0

    def compute(self, inputs: Sequence[Tensor], weights: Sequence[Tensor]) -> Sequence[Tensor]:  # noqa: ARG002
        return [inputs[0] + 1]


class Net:
    """A network under construction, every blob [1, 4, 6, 6] unless said otherwise."""

    def __init__(self, seed: int = 0) -> None:
        self.random = np.random.default_rng(seed)
        self.layers: list[Layer] = []
        self.resources: list[Resource] = []

    def add(self, record: LayerRecord, *inputs: str, weights: Sequence[np.ndarray] = ()) -> str:
        name = f"b{len(self.layers)}"
        self.layers.append(Layer(name, inputs, (name,), record))
        if weights:
            self.resources.append(Resource(record.TYPE, name, tuple(weights)))
        return name

    def conv(self, blob: str, factor: float = 1, **parameters: Any) -> str:
        weight = self.random.standard_normal((4, 4, 1, 1), np.float32) * np.float32(factor)
        bias = self.random.standard_normal(4, np.float32) * np.float32(factor)
        record = Convolution(1, 4, 4, 1, 1, 1, 1, 0, 0, 1, **parameters)
        return self.add(record, blob, weights=(weight, bias))

    def constant(self) -> list[np.ndarray]:
        return [self.random.uniform(0.5, 2, (1, 4, 1, 1)).astype(np.float32)]

    def network(self, *outputs: str) -> Network:
        return Network((Input("x", IMAGE.shape),), outputs, tuple(self.layers))


def load(network: Network, resources: Sequence[Resource]) -> LoadedTnn:
    weights = {r.layer: tuple(map(torch.from_numpy, r.weights)) for r in resources}
    return LoadedTnn(Path("net.tnnproto"), network, weights)


def rescaled(net: Net, *outputs: str) -> tuple[LoadedTnn, Rescaled]:
    network = net.network(*outputs)
    before = load(network, net.resources)
    largest = check_half(before, [[IMAGE]]).largest
    return before, rescale(network, net.resources, largest)


def assert_same_function(before: LoadedTnn, result: Rescaled) -> LoadedTnn:
    after = load(result.network, result.resources)
    expected, found = run_tnn(before, {"x": IMAGE}), run_tnn(after, {"x": IMAGE})
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values)
    return after


def small(net: Net, blob: str) -> str:
    """Bring a large blob back to values that an output may have."""
    return net.conv(blob, 1e-6)


ONE: dict[str, Callable[[Net, str], str]] = {
    "conv": lambda net, a: net.conv(a),
    "conv large": lambda net, a: net.conv(a, 300),
    "conv relu": lambda net, a: net.conv(a, 40, activation=RELU),
    "conv relu6": lambda net, a: net.conv(a, activation=RELU6),
    "relu": lambda net, a: net.add(ReLU(), a),
    "relu6": lambda net, a: net.add(ReLU6(), a),
    "clip": lambda net, a: net.add(Clip(-1000, 20000), a),
    "sigmoid": lambda net, a: net.add(Sigmoid(), a),
    "hard sigmoid": lambda net, a: net.add(HardSigmoid(0.16666667, 0.5), a),
    "hard swish": lambda net, a: net.add(HardSwish(0.16666667, 0.5), a),
    "add constant": lambda net, a: net.add(Add(1), a, weights=net.constant()),
    "sub from constant": lambda net, a: net.add(Sub(0), a, weights=net.constant()),
    "mul constant": lambda net, a: net.add(Mul(1), a, weights=net.constant()),
    "div constant": lambda net, a: net.add(Div(1), a, weights=net.constant()),
    "softmax": lambda net, a: net.add(Softmax(1), a),
    "permute": lambda net, a: net.add(Permute((0, 1, 3, 2)), a),
    "reshape": lambda net, a: net.add(Reshape(0, 4, (0, 4, 6, 6)), a),
    "pool": lambda net, a: net.add(
        Upsample(BILINEAR, 0, 0, 0, 6, 6),
        net.add(Pooling(AVERAGE, 2, 2, 2, 2, 0, 0), a),
    ),
}
TWO: dict[str, Callable[[Net, str, str], str]] = {
    "gate": lambda net, a, b: net.add(HardSwish(0.16666667, 0.5), a, b),
    "add": lambda net, a, b: net.add(Add(-1), a, b),
    "sub": lambda net, a, b: net.add(Sub(-1), a, b),
    "mul": lambda net, a, b: net.add(Mul(-1), a, b),
    "matmul": lambda net, a, b: net.add(MatMul(-1), a, b),
    "concat": lambda net, a, b: net.add(
        Convolution(1, 8, 4, 1, 1, 1, 1, 0, 0, 0),
        net.add(Concat(1), a, b),
        weights=(net.random.standard_normal((4, 8, 1, 1), np.float32),),
    ),
}


@settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.tuples(st.sampled_from(sorted({**ONE, **TWO})), st.integers(0, 3), st.integers(0, 3)),
        min_size=2,
        max_size=9,
    ),
    st.integers(0, 5),
)
def test_the_float32_function_stays_bit_by_bit(
    steps: list[tuple[str, int, int]], seed: int
) -> None:
    net = Net(seed)
    blobs = ["x"]
    for step, i, j in steps:
        a, b = blobs[-1 - i % len(blobs)], blobs[-1 - j % len(blobs)]
        blobs.append(ONE[step](net, a) if step in ONE else TWO[step](net, a, b))
    output = small(net, blobs[-1])
    before = load(net.network(output), net.resources)
    largest = check_half(before, [[IMAGE]]).largest
    assume(max(largest.values()) < 1e25)
    result = rescale(before.network, net.resources, largest)
    assert_same_function(before, result)
    unsaved = {item.layer for item in result.unsaved}
    for name, value in largest.items():
        stored = value * 2.0 ** -result.exponents.get(name, 0)
        assert stored <= 65504 / 8 or name in unsaved


def attention(net: Net, q_factor: float, k_factor: float) -> str:
    q, k = net.conv("x", q_factor), net.conv("x", k_factor)
    logits = net.add(MatMul(-1), net.add(Permute((0, 1, 3, 2)), q), k)
    return net.add(MatMul(-1), net.add(Softmax(3), logits), net.conv("x"))


def test_a_chain_that_overflows_is_saved() -> None:
    net = Net()
    wide = net.add(ReLU(), net.conv(net.conv("x", 300), 300))
    before, result = rescaled(net, small(net, wide))
    report = check_half(before, [[IMAGE]])
    assert report.first_overflow is not None
    assert report.first_overflow.name == "b1"
    after = assert_same_function(before, result)
    assert not result.unsaved
    assert check_half(after, [[IMAGE]]).first_overflow is None
    assert {"b1", "b2"} <= set(result.exponents)
    assert "b3" not in result.exponents
    assert set(result.changed) >= {"b1", "b3"}
    assert result.explanation[0].startswith("times 2^-")


def test_query_and_key_are_balanced_against_each_other() -> None:
    net = Net()
    before, result = rescaled(net, attention(net, 2e5, 1e-5))
    assert check_half(before, [[IMAGE]]).first_overflow is not None
    after = assert_same_function(before, result)
    assert result.exponents["b0"] == -result.exponents["b1"] > 0
    assert not result.unsaved
    assert check_half(after, [[IMAGE]]).first_overflow is None


def test_attention_logits_that_are_too_large_are_named() -> None:
    net = Net()
    before, result = rescaled(net, attention(net, 3000, 3000))
    assert_same_function(before, result)
    named = {item.layer: item for item in result.unsaved}
    assert "Softmax" in named["b3"].reason
    assert "--precision fp32" in named["b3"].remedy
    assert named["b3"].largest > 65504
    assert any("not helped: b3 (MatMul)" in line for line in result.explanation)


def test_what_one_side_of_a_product_cannot_give_is_said() -> None:
    net = Net()
    _, result = rescaled(net, attention(net, 2e5, 500))
    reasons = {item.layer: item.reason for item in result.unsaved}
    assert result.exponents["b0"] == -result.exponents["b1"] > 0
    assert reasons["b0"] == "its product 'b3' cannot shrink: Softmax 'b4' needs its true values"
    assert reasons["b1"] == reasons["b0"]


def test_a_network_that_fits_is_left_alone() -> None:
    net = Net()
    output = net.add(ReLU(), net.conv("x"))
    _, result = rescaled(net, output)
    assert result.network == net.network(output)
    assert result.resources == tuple(net.resources)
    assert (result.exponents, result.changed, result.unsaved) == ({}, (), ())
    assert result.explanation == ()


def test_an_output_keeps_its_values() -> None:
    net = Net()
    before, result = rescaled(net, net.conv(net.conv("x", 300), 300))
    assert_same_function(before, result)
    assert [item.layer for item in result.unsaved] == ["b1"]
    assert "'b1' is an output" in result.unsaved[0].reason


def test_split_outputs_share_an_exponent() -> None:
    net = Net()
    big = net.conv("x", 1e5)
    net.layers.append(Layer("s", (big,), ("p", "q"), SplitV(1, (1, 3))))
    before, result = rescaled(net, small(net, net.add(Concat(1), "q", "p")))
    assert_same_function(before, result)
    assert not result.unsaved
    assert result.exponents["s"] == result.exponents[big]


def test_division_moves_its_exponents() -> None:
    net = Net()
    big = net.add(Add(1), net.add(ReLU(), net.conv("x", 1e5)), weights=[np.full(1, 1e5, "f4")])
    one = net.add(Add(1), net.add(ReLU(), net.conv("x")), weights=[np.ones(1, np.float32)])
    quotient = net.add(Div(-1), big, one)
    inverse = net.add(Div(0), quotient, weights=[np.full((1, 1, 1, 1), 1e5, np.float32)])
    before, result = rescaled(net, net.conv(inverse))
    assert_same_function(before, result)
    assert not result.unsaved


def test_files_are_rescaled_like_networks(tmp_path: Path) -> None:
    net = Net()
    before, result = rescaled(net, small(net, net.conv("x", 1e6)))
    (tmp_path / "net.tnnproto").write_text(write_proto(before.network))
    (tmp_path / "net.tnnmodel").write_bytes(write_model(net.resources))
    found = rescale_files(tmp_path / "net.tnnproto", check_half(before, [[IMAGE]]).largest)
    assert found.exponents == result.exponents
    assert found.changed == result.changed
    assert found.unsaved == result.unsaved
    assert write_model(found.resources) == write_model(result.resources)


def test_weights_that_cannot_take_the_scale_are_refused() -> None:
    net = Net()
    blob = net.conv("x", 1e6)
    net.resources[0].weights[0][0, 0, 0, 0] = 3e-45
    with pytest.raises(ExportError, match=r"layer 'b0' .Convolution. cannot be rescaled exactly"):
        rescaled(net, small(net, blob))
    with pytest.raises(ValueError, match=r"2\^100"):
        times(np.full(1, 1e20, np.float32), 100)


def test_quantised_weights_keep_their_layer_as_it_is() -> None:
    net = Net()
    blob = net.add(
        Convolution(1, 4, 4, 1, 1, 1, 1, 0, 0, 0), "x", weights=(np.ones((4, 4, 1, 1), "i1"),)
    )
    network = net.network(small(net, blob))
    result = rescale(network, net.resources, {"b0": 1e6, "b1": 1.0})
    assert [item.layer for item in result.unsaved] == ["b0"]


def test_values_that_are_not_finite_in_float32_are_refused() -> None:
    net = Net()
    network = net.network(net.conv("x"))
    with pytest.raises(ExportError, match=r"layer 'b0' .Convolution.: max\|x\| is inf"):
        rescale(network, net.resources, {"b0": float("inf")})


def test_every_layer_type_has_a_rule_or_is_pinned_on_purpose() -> None:
    assert set(LAYERS) - set(RULES) <= PINNED_ON_PURPOSE
    assert not PINNED_ON_PURPOSE & set(RULES)


def test_a_layer_type_without_a_rule_keeps_its_blobs() -> None:
    net = Net()
    big = net.add(Unheard(), net.conv("x", 1e4))
    before, result = rescaled(net, small(net, big))
    assert not result.exponents
    assert [item.reason for item in result.unsaved] == ["Unheard 'b1' needs its true values"] * 2
    assert_same_function(before, result)
