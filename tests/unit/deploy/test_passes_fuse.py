"""A depthwise 1x1 convolution goes into the convolutions whose sum it scales."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.onnx_text import apply, noise, operators, parse_graph, reasons
from topformer_cli.deploy.passes.fold_depthwise_fuse import fold_depthwise_fuse

CONSTANTS = {
    "w": noise(6, 4, 1, 1),
    "v": noise(6, 4, 3, 3, seed=1),
    "u": noise(6, 4, 1, 1, seed=2),
    "b": noise(6),
    "fuse": noise(6, 1, 1, 1, seed=3),
    "t": noise(6, seed=4),
    "one": noise(1, 4, 1, 1, seed=5),
    "grow": np.array([1, 1, 2, 2], np.float32),
    "tokens": noise(1, 6, 8, 8),
    "scalar": np.float32(3),
}
HEAD = "(float[1,4,8,8] x, float[1,4,4,4] s) => (float y)"
UP = 'Resize<mode = "linear">'
FUSE = "f = Conv<group = 6>(a, fuse, t) y = Relu(f)"
INJECTION = f"""
    local = Conv(x, w) g = Conv(s, u, b) gate = HardSigmoid(g) wide = {UP}(gate, , grow)
    product = Mul(local, wide) semantics = Conv<pads = [1, 1, 1, 1]>(s, v)
    up = {UP}(semantics, , grow) a = Add(product, up)"""


def test_the_head_of_tiny_loses_its_fuse_convolution() -> None:
    done = apply(parse_graph(f"{HEAD} {{ {INJECTION} {FUSE} }}", CONSTANTS), fold_depthwise_fuse)
    assert operators(done.model)["Conv"] == 3
    assert len(done.steps[0].outcome.matched) == 1
    assert reasons(done) == []


def test_without_a_bias_and_as_the_last_node() -> None:
    text = f"{HEAD} {{ {INJECTION} y = Conv<group = 6>(a, fuse) }}"
    done = apply(parse_graph(text, CONSTANTS), fold_depthwise_fuse)
    assert operators(done.model)["Conv"] == 3
    assert done.model.graph.outputs[0].name == "y"


@pytest.mark.parametrize(
    "body",
    [
        "a = Conv(x, w, b)",
        "p = Conv(x, w) q = Conv(x, u) a = Sub(p, q)",
        "p = Conv(x, w) a = Sub(scalar, p)",
        "g = Conv(x, w) h = Sigmoid(g) p = Conv(x, u) m = Mul(h, p) q = Conv(x, w) a = Sub(m, q)",
        "p = Conv(x, w) r = Relu(p) m = Mul(r, scalar) a = Add(m, scalar)",
        "p = Conv(x, w) q = AveragePool<kernel_shape = [2, 2]>(p) a = Identity(q)",
        "p = Conv(x, w) q = GlobalAveragePool(p) r = Conv(x, u) a = Add(q, r)",
        'p = Conv(s, w) a = Resize<mode = "nearest">(p, , grow)',
        'p = Conv(s, w) a = Resize<mode = "cubic">(p, , grow)',
        "p = Conv<pads = [1, 1, 1, 1]>(x, v, b) a = Mul(scalar, p)",
    ],
)
def test_linear_operators_pass_the_scale_on(body: str) -> None:
    bias = "" if "Mul(scalar" in body else ", t"
    text = f"{HEAD} {{ {body} f = Conv<group = 6>(a, fuse{bias}) y = Relu(f) }}"
    before = parse_graph(text, CONSTANTS)
    done = apply(before, fold_depthwise_fuse)
    assert done.changed == ["fold-depthwise-fuse"]
    assert operators(done.model)["Conv"] == operators(before)["Conv"] - 1


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("a = Conv(x, w) z = Relu(a)", "a is read 2 times"),
        ("p = Conv(x, w) z = Relu(p) a = Add(p, tokens)", "p is read 2 times"),
        ("z = Conv(x, w) q = Conv(x, u) a = Add(z, q)", "z is an output of the graph"),
        ("p = Conv(x, w) a = Relu(p) z = Relu(x)", "(Relu) is not linear"),
        ("p = Conv(x, w) a = Add(p, tokens) z = Relu(x)", "is not one number a channel"),
        ("p = Conv(x, w) q = Conv(x, one) a = Add(p, q) z = Relu(x)", "q has other channels"),
        ("p = Conv(x, w) r = Sigmoid(p) a = Mul(r, tokens) z = Relu(x)", "neither factor of"),
        ("p = Conv(x, w) q = Conv(x, u) a = Mul(p, q) z = Relu(x)", "would have to pass a product"),
        ("v2 = Relu(w) a = Conv(x, v2) z = Relu(x)", "no constants"),
        (
            "p = Conv(x, w) a = AveragePool<kernel_shape = [3, 3], pads = [1, 1, 1, 1]>(p) "
            "z = Relu(x)",
            "(AveragePool) is not linear, or changes constants",
        ),
    ],
)
def test_a_refusal_says_why(body: str, reason: str) -> None:
    text = f"""(float[1,4,8,8] x, float[1,4,4,4] s) => (float y, float z) {{
        {body} {FUSE} }}"""
    model = parse_graph(text, CONSTANTS)
    before = operators(model)
    outcome = fold_depthwise_fuse(model)
    assert outcome.matched == ()
    assert reason in outcome.refused[0].reason
    assert operators(model) == before


def test_a_depthwise_convolution_of_the_input_stays() -> None:
    text = "(float[1,6,8,8] x) => (float y) { y = Conv<group = 6>(x, fuse) }"
    outcome = fold_depthwise_fuse(parse_graph(text, CONSTANTS))
    assert "an input of the graph" in outcome.refused[0].reason


def test_other_convolutions_are_not_mentioned() -> None:
    text = f"""{HEAD} {{ a = Conv(x, w) c = Conv<group = 6, strides = [2, 2]>(a, fuse)
        d = Conv<group = 6, pads = [1, 1, 1, 1]>(c, fuse) y = Relu(d) }}"""
    outcome = fold_depthwise_fuse(parse_graph(text, CONSTANTS))
    assert (outcome.matched, outcome.refused) == ((), ())


def test_a_long_sum_is_given_up() -> None:
    steps = " ".join(f"a{i + 1} = Add(a{i}, scalar)" for i in range(200))
    text = f"""{HEAD} {{ a0 = Relu(x) c = Conv(a0, w) b0 = Add(c, scalar)
        {steps.replace("a0", "b0")} f = Conv<group = 6>(a200, fuse) y = Relu(f) }}"""
    outcome = fold_depthwise_fuse(parse_graph(text, CONSTANTS))
    assert "more than 100 operators" in outcome.refused[0].reason


@settings(max_examples=25, deadline=None)
@given(
    channels=st.integers(1, 6),
    height=st.integers(1, 7),
    width=st.integers(1, 7),
    scales=st.lists(st.integers(1, 4), min_size=1, max_size=3),
)
def test_any_sum_of_injections(channels: int, height: int, width: int, scales: list[int]) -> None:
    constants = {
        "fuse": noise(channels, 1, 1, 1, seed=9),
        "t": noise(channels, seed=8),
        **{f"r{scale}": np.array([1, 1, scale, scale], np.float32) for scale in scales},
        **{f"w{i}": noise(channels, 3, 1, 1, seed=i) for i in range(len(scales) + 1)},
    }
    terms = " ".join(
        f"c{i} = Conv(x{i}, w{i}) u{i} = {UP}(c{i}, , r{scale}) a{i + 1} = Add(a{i}, u{i})"
        for i, scale in enumerate(scales)
    )
    total = 12  # a multiple of every scale
    given_ = ", ".join(
        f"float[1,3,{height * total // scale},{width * total // scale}] x{i}"
        for i, scale in enumerate(scales)
    )
    text = f"""({given_}, float[1,3,{height * total},{width * total}] x) => (float y) {{
        l = Conv(x, w{len(scales)}) h = HardSigmoid(l) q = Conv(x, w0) a0 = Mul(h, q)
        {terms} f = Conv<group = {channels}>(a{len(scales)}, fuse, t) y = Relu(f) }}"""
    done = apply(parse_graph(text, constants), fold_depthwise_fuse, tolerance=1e-5)
    # A group of one channel is an ordinary convolution.
    assert done.changed == (["fold-depthwise-fuse"] if channels > 1 else [])
