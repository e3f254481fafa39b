"""Constant scales and shifts go into convolutions, where that is exact."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.onnx_text import apply, noise, operators, parse_graph, reasons
from topformer_cli.deploy.passes.fold_normalisation import fold_normalisation
from topformer_cli.deploy.passes.fold_scale import fold_scale

CONSTANTS = {
    "w": noise(6, 4, 3, 3),
    "v": noise(5, 6, 3, 3, seed=1),
    "b": noise(6),
    "s": noise(1, 6, 1, 1, seed=2) + 3,
    "t": noise(6, 1, 1, seed=3),
    "s4": noise(4, 1, 1, seed=4) + 3,
    "t4": noise(1, 4, 1, 1, seed=5),
    "two": np.float32(2),
    "zero": np.float32(0),
    "columns": noise(8, seed=6),
    "variance": np.abs(noise(4)) + 1,
    "gamma": noise(4, seed=7),
}
HEAD = "(float[1,4,8,8] x) => (float y)"
PADDED = "<pads = [1, 1, 1, 1]>"


@pytest.mark.parametrize(
    "node", ["Mul(c, s)", "Mul(s, c)", "Div(c, s)", "Add(c, t)", "Sub(c, t)", "Sub(t, c)"]
)
@pytest.mark.parametrize("conv", ["Conv(x, w, b)", f"Conv{PADDED}(x, w)"])
def test_what_follows_a_convolution_goes_into_it(conv: str, node: str) -> None:
    done = apply(parse_graph(f"{HEAD} {{ c = {conv} y = {node} }}", CONSTANTS), fold_scale)
    assert operators(done.model) == {"Conv": 1}
    assert done.model.graph.outputs[0].name == "y"


@pytest.mark.parametrize("node", ["Mul(x, s4)", "Div(x, two)", "Add(t4, x)", "Sub(two, x)"])
def test_what_precedes_an_unpadded_convolution_goes_into_it(node: str) -> None:
    done = apply(parse_graph(f"{HEAD} {{ c = {node} y = Conv(c, w, b) }}", CONSTANTS), fold_scale)
    assert operators(done.model) == {"Conv": 1}


def test_before_a_padded_convolution_only_a_scale_goes() -> None:
    scaled = f"{HEAD} {{ c = Mul(x, s4) y = Conv{PADDED}(c, w, b) }}"
    assert operators(apply(parse_graph(scaled, CONSTANTS), fold_scale).model) == {"Conv": 1}
    shifted = f"{HEAD} {{ c = Add(x, t4) y = Conv{PADDED}(c, w, b) }}"
    done = apply(parse_graph(shifted, CONSTANTS), fold_scale)
    assert not done.changed
    assert "pads with zeros" in reasons(done)[0]


def test_a_row_of_them_goes_together() -> None:
    text = f"""{HEAD} {{
        a = Mul(x, s4) a2 = Add(a, t4) c = Conv(a2, w) c2 = Div(c, s) c3 = Add(c2, t)
        d = Mul(c3, two) y = Conv(d, v) }}"""
    done = apply(parse_graph(text, CONSTANTS), fold_scale, tolerance=1e-5)
    assert operators(done.model) == {"Conv": 2}
    assert len(done.steps[0].outcome.matched) == 5


def test_a_batch_normalisation_goes_into_the_convolution_behind_it() -> None:
    norm = "n = BatchNormalization(x, gamma, gamma, gamma, variance)"
    model = parse_graph(f"{HEAD} {{ {norm} y = Conv(n, w, b) }}", CONSTANTS)
    assert operators(apply(model, fold_scale).model) == {"Conv": 1}
    padded = parse_graph(f"{HEAD} {{ {norm} y = Conv{PADDED}(n, w, b) }}", CONSTANTS)
    assert "pads with zeros" in reasons(apply(padded, fold_scale))[0]


def test_a_batch_normalisation_in_training_mode_stays() -> None:
    text = """(float[1,4,8,8] x) => (float y) {
        n, m, v2 = BatchNormalization<training_mode = 1>(x, gamma, gamma, gamma, variance)
        y = Conv(n, w, b) }"""
    assert not fold_scale(parse_graph(text, CONSTANTS)).matched


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("c = Conv(x, w, b) y = Mul(c, s) z = Relu(c)", "c is read 2 times"),
        ("z = Conv(x, w, b) y = Mul(z, s)", "z is an output of the graph"),
        (f"c = Conv{PADDED}(x, w, b) y = Mul(c, columns) z = Relu(x)", "one number a channel"),
        ("c = Conv(x, w, b) y = Div(two, c) z = Relu(x)", "one number a channel"),
        ("c = Conv(x, w, b) y = Div(c, zero) z = Relu(x)", "one number a channel"),
        ("w2 = Relu(w) c = Conv(x, w2, b) y = Mul(c, s) z = Relu(x)", "no constants"),
        ("w2 = Relu(w) c = Mul(x, s4) y = Conv(c, w2) z = Relu(x)", "no constants"),
    ],
)
def test_a_refusal_says_why(body: str, reason: str) -> None:
    text = f"(float[1,4,8,8] x) => (float y, float z) {{ {body} }}"
    outcome = fold_scale(parse_graph(text, CONSTANTS))
    assert not outcome.matched
    assert [reason in refusal.reason for refusal in outcome.refused] == [True]


def test_additions_away_from_convolutions_are_not_mentioned() -> None:
    outcome = fold_scale(parse_graph(f"{HEAD} {{ a = Add(x, two) y = Relu(a) }}", CONSTANTS))
    assert (outcome.matched, outcome.refused) == ((), ())


def test_convolutions_may_share_a_weight() -> None:
    text = f"{HEAD} {{ a = Conv(x, w, b) c = Conv(x, w, b) d = Mul(a, s) y = Add(c, d) }}"
    assert apply(parse_graph(text, CONSTANTS), fold_scale).changed


@settings(max_examples=25, deadline=None)
@given(
    groups=st.integers(1, 3),
    inputs=st.integers(1, 3),
    outputs=st.integers(1, 3),
    kernel=st.integers(1, 3),
    seed=st.integers(0, 99),
)
def test_any_grouping_keeps_its_numbers(
    groups: int, inputs: int, outputs: int, kernel: int, seed: int
) -> None:
    constants = {
        "w": noise(groups * outputs, inputs, kernel, kernel, seed=seed),
        "s": noise(groups * inputs, 1, 1, seed=seed + 1),
        "t": noise(groups * inputs, 1, 1, seed=seed + 2),
        "u": noise(groups * outputs, 1, 1, seed=seed + 3),
    }
    text = f"""(float[2,{groups * inputs},7,5] x) => (float y) {{
        a = Mul(x, s) b = Add(a, t) c = Conv<group = {groups}>(b, w) y = Sub(u, c) }}"""
    done = apply(parse_graph(text, constants), fold_scale, tolerance=1e-5)
    assert operators(done.model) == {"Conv": 1}


IMAGE = {
    "w": noise(8, 3, 3, 3),
    "b": noise(8),
    "byte": np.float32(255),
    "inverse": np.float32(1 / 255),
    "mean": np.array([0.485, 0.456, 0.406]).reshape(1, 3, 1, 1),
    "std": np.array([0.229, 0.224, 0.225]).reshape(3, 1, 1),
    "mean255": np.array([123.675, 116.28, 103.53]).reshape(1, 3, 1, 1),
    "nostd": np.array([1, 0, 1], np.float32).reshape(3, 1, 1),
}
BYTES = "(uint8[1,3,12,16] x) => (float y)"
FLOATS = "(float[1,3,12,16] x) => (float y)"
STEM = "<pads = [1, 1, 1, 1], strides = [2, 2]>"
NORMALISE = "a = Div(f, byte) m = Sub(a, mean) n = Div(m, std)"


def test_behind_a_padded_stem_one_subtraction_stays() -> None:
    text = f"{BYTES} {{ f = Cast<to = 1>(x) {NORMALISE} y = Conv{STEM}(n, w, b) }}"
    done = apply(parse_graph(text, IMAGE), fold_normalisation, fold_scale)
    assert operators(done.model) == {"Cast": 1, "Sub": 1, "Conv": 1}
    assert done.changed == ["fold-normalisation"]
    assert len(done.steps[0].outcome.matched) == 3
    assert "one subtraction stays" in reasons(done)[0]
    again = apply(done.model, fold_normalisation)
    assert not again.changed
    assert "one subtraction stays" in reasons(again)[0]


def test_an_unpadded_stem_takes_the_whole_normalisation() -> None:
    text = f"{BYTES} {{ f = Cast<to = 1>(x) {NORMALISE} y = Conv(n, w) }}"
    done = apply(parse_graph(text, IMAGE), fold_normalisation, tolerance=1e-5)
    assert operators(done.model) == {"Cast": 1, "Conv": 1}
    assert done.model.graph.inputs[0].name == "x"


def test_a_float_input_may_be_normalised_too() -> None:
    text = f"{FLOATS} {{ m = Sub(x, mean255) n = Mul(m, inverse) y = Conv{STEM}(n, w, b) }}"
    done = apply(parse_graph(text, IMAGE), fold_normalisation)
    assert operators(done.model) == {"Sub": 1, "Conv": 1}
    scaled = f"{FLOATS} {{ n = Mul(x, inverse) y = Conv{STEM}(n, w, b) }}"
    assert operators(apply(parse_graph(scaled, IMAGE), fold_normalisation).model) == {"Conv": 1}


def test_normalisation_that_others_read_stays() -> None:
    text = f"""(float[1,3,12,16] x) => (float y, float z) {{
        m = Sub(x, mean) n = Div(m, std) y = Conv{STEM}(n, w, b) z = Relu(n) }}"""
    assert not fold_normalisation(parse_graph(text, IMAGE)).matched
    zero = f"{FLOATS} {{ n = Mul(x, nostd) m = Sub(n, mean) y = Conv{STEM}(m, w, b) }}"
    assert "scaled by zero" in reasons(apply(parse_graph(zero, IMAGE), fold_normalisation))[0]
    weights = f"{FLOATS} {{ v = Relu(w) n = Mul(x, inverse) y = Conv(n, v) }}"
    assert "no constants" in reasons(apply(parse_graph(weights, IMAGE), fold_normalisation))[0]


def test_normalisation_that_the_graph_gives_out_on_the_way_stays() -> None:
    text = """(float[1,3,12,16] x) => (float a, float y) {
        a = Div(x, byte) m = Sub(a, mean) y = Conv(m, w, b) }"""
    done = apply(parse_graph(text, IMAGE), fold_normalisation)
    assert not done.changed
    assert [value.name for value in done.model.graph.inputs] == ["x"]
