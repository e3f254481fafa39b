"""Operators that exporters take apart are put together again."""

import math

import numpy as np
import pytest

from tests.fakes.onnx_text import apply, noise, operators, parse_graph, reasons
from topformer_cli.deploy.passes.recognise_gelu import recognise_gelu
from topformer_cli.deploy.passes.recognise_hard_sigmoid import recognise_hard_sigmoid
from topformer_cli.deploy.passes.recognise_hard_swish import recognise_hard_swish
from topformer_cli.deploy.passes.recognise_layer_norm import recognise_layer_norm

CONSTANTS = {
    "zero": np.float32(0),
    "half": np.float32(0.5),
    "one": np.float32(1),
    "two": np.float32(2),
    "three": np.float32(3),
    "six": np.float32(6),
    "sixth": np.float32(1 / 6),
    "root2": np.float32(math.sqrt(2)),
    "inverse_root2": np.float32(math.sqrt(0.5)),
    "eps": np.float32(1e-5),
    "last": np.array([-1], np.int64),
    "third": np.array([3], np.int64),
    "channels": np.array([1], np.int64),
    "gamma": noise(8),
    "beta": noise(8, seed=1),
    "wide": noise(3, 1, 8),
}
HEAD = "(float[1,3,5,8] x) => (float y)"
BOTH = "(float[1,3,5,8] x) => (float y, float z)"
CLIP = "s = Add(x, three) c = Clip(s, zero, six)"
GATE = "h = HardSigmoid<alpha = 0.16666667, beta = 0.5>(x)"


@pytest.mark.parametrize(
    "body",
    [
        f"{GATE} y = Mul(x, h)",
        f"{GATE} y = Mul(h, x)",
        "h = HardSigmoid<alpha = 0.1666666, beta = 0.5>(x) y = Mul(x, h)",
        f"{CLIP} p = Mul(x, c) y = Div(p, six)",
        f"{CLIP} p = Mul(c, x) y = Mul(sixth, p)",
        f"{CLIP} d = Div(c, six) y = Mul(x, d)",
        f"{CLIP} d = Mul(c, sixth) y = Mul(d, x)",
    ],
)
def test_hard_swish_is_recognised(body: str) -> None:
    model = parse_graph(f"{HEAD} {{ {body} }}", CONSTANTS)
    done = apply(model, recognise_hard_sigmoid, recognise_hard_swish)
    assert operators(done.model) == {"HardSwish": 1}
    assert reasons(done) == []


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("h = HardSigmoid(x) y = Mul(x, h) z = Relu(x)", "its hard sigmoid is 0.2 x + 0.5"),
        (f"{GATE} y = Mul(x, h) z = Relu(h)", "h is read 2 times"),
        (f"{GATE} y = Mul(x, h) z = Identity(h)", "h is read 2 times"),
    ],
)
def test_what_is_no_hard_swish_says_why(body: str, reason: str) -> None:
    outcome = recognise_hard_swish(parse_graph(f"{BOTH} {{ {body} }}", CONSTANTS))
    assert outcome.matched == ()
    assert [reason in refusal.reason for refusal in outcome.refused] == [True]


@pytest.mark.parametrize(
    "body",
    [
        f"{CLIP} p = Mul(x, c) y = Div(six, p) z = Relu(x)",
        f"{CLIP} p = Mul(x, c) y = Div(p, two) z = Relu(x)",
        f"{CLIP} p = Mul(x, c) y = Div(p, six) z = Relu(c)",
        f"{GATE} r = Relu(x) y = Mul(r, h) z = Relu(x)",
        "s = Add(x, two) c = Clip(s, zero, six) p = Mul(x, c) y = Div(p, six) z = Relu(x)",
    ],
)
def test_other_products_are_not_mentioned(body: str) -> None:
    outcome = recognise_hard_swish(parse_graph(f"{BOTH} {{ {body} }}", CONSTANTS))
    assert (outcome.matched, outcome.refused) == ((), ())


CENTRE = "m = ReduceMean(x, last) d = Sub(x, m)"
ROOT = "v = ReduceMean(p, third) e = Add(v, eps) r = Sqrt(e)"
NORM = f"{CENTRE} p = Pow(d, two) {ROOT} n = Div(d, r)"


@pytest.mark.parametrize(
    ("body", "left"),
    [
        (f"{NORM} g = Mul(n, gamma) y = Add(g, beta)", {}),
        (f"{NORM} g = Mul(gamma, n) y = Add(beta, g)", {}),
        (f"{NORM} y = Mul(n, gamma)", {}),
        (f"{NORM} y = Relu(n)", {"Relu": 1}),
        (f"{NORM} g = Mul(n, wide) y = Add(g, beta)", {"Mul": 1, "Add": 1}),
        (f"{NORM} y = Add(n, beta)", {"Add": 1}),
        (f"{CENTRE} p = Mul(d, d) {ROOT} i = Reciprocal(r) y = Mul(d, i)", {}),
    ],
)
def test_layer_normalisation_is_recognised(body: str, left: dict[str, int]) -> None:
    done = apply(parse_graph(f"{HEAD} {{ {body} }}", CONSTANTS), recognise_layer_norm)
    assert operators(done.model) == {"LayerNormalization": 1, **left}


def test_means_may_state_their_axes_as_attributes() -> None:
    mean = "ReduceMean<axes = [3]>"
    body = NORM.replace("ReduceMean(x, last)", f"{mean}(x)")
    body = body.replace("ReduceMean(p, third)", f"{mean}(p)")
    done = apply(
        parse_graph(f"{HEAD} {{ {body} y = Mul(n, gamma) }}", CONSTANTS, 17), recognise_layer_norm
    )
    assert operators(done.model) == {"LayerNormalization": 1}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (f"{NORM} y = Mul(n, gamma) z = Relu(r)", "r is also read elsewhere"),
        (NORM.replace("third", "channels") + " y = Relu(n) z = Relu(x)", "different axes"),
        (
            NORM.replace("third", "channels").replace("last", "channels")
            + " y = Relu(n) z = Relu(x)",
            "axes [1], not over the last one",
        ),
    ],
)
def test_what_is_no_layer_normalisation_says_why(body: str, reason: str) -> None:
    outcome = recognise_layer_norm(parse_graph(f"{BOTH} {{ {body} }}", CONSTANTS))
    assert outcome.matched == ()
    assert [reason in refusal.reason for refusal in outcome.refused] == [True]


@pytest.mark.parametrize("replaced", ["Pow(d, three)", "Pow(d, x)", "Pow(x, two)"])
def test_other_roots_are_not_mentioned(replaced: str) -> None:
    text = f"{HEAD} {{ {NORM.replace('Pow(d, two)', replaced)} y = Relu(n) }}"
    outcome = recognise_layer_norm(parse_graph(text, CONSTANTS))
    assert (outcome.matched, outcome.refused) == ((), ())


ERF = "a = Div(x, root2) e = Erf(a) p = Add(e, one)"


@pytest.mark.parametrize(
    "body",
    [
        f"{ERF} q = Mul(x, p) y = Mul(q, half)",
        f"{ERF} q = Mul(p, half) y = Mul(x, q)",
        f"{ERF} q = Mul(p, x) y = Div(q, two)",
        f"{ERF} h = Mul(half, x) y = Mul(h, p)",
        "h = Mul(x, half) a = Mul(inverse_root2, x) e = Erf(a) p = Add(one, e) y = Mul(p, h)",
    ],
)
def test_gelu_is_recognised(body: str) -> None:
    done = apply(parse_graph(f"{HEAD} {{ {body} }}", CONSTANTS), recognise_gelu)
    assert operators(done.model) == {"Gelu": 1}


@pytest.mark.parametrize(
    "body",
    [
        f"{ERF} q = Mul(x, p) y = Mul(q, half) z = Relu(p)",
        f"{ERF} q = Mul(x, p) y = Div(half, q) z = Relu(x)",
        f"{ERF} y = Relu(p) z = Relu(x)",
        f"{ERF} q = Mul(x, p) r = Mul(q, x) y = Mul(r, half) z = Relu(x)",
        "a = Div(x, root2) e = Erf(a) p = Add(e, two) q = Mul(x, p) y = Mul(q, half) z = Relu(x)",
    ],
)
def test_what_is_no_gelu_says_why(body: str) -> None:
    outcome = recognise_gelu(parse_graph(f"{BOTH} {{ {body} }}", CONSTANTS))
    assert outcome.matched == ()
    assert ["(1 + erf(x / sqrt 2))" in refusal.reason for refusal in outcome.refused] == [True]


def test_another_error_function_is_not_mentioned() -> None:
    outcome = recognise_gelu(parse_graph(f"{HEAD} {{ a = Div(x, two) y = Erf(a) }}", CONSTANTS))
    assert (outcome.matched, outcome.refused) == ((), ())


def test_an_opset_without_the_operator_is_refused() -> None:
    swish = parse_graph(f"{HEAD} {{ {GATE} y = Mul(x, h) }}", CONSTANTS, 13)
    assert "opset 13 has no HardSwish" in reasons(apply(swish, recognise_hard_swish))[0]
    gelu = parse_graph(f"{HEAD} {{ {ERF} q = Mul(x, p) y = Mul(q, half) }}", CONSTANTS, 19)
    assert "opset 19 has no Gelu" in reasons(apply(gelu, recognise_gelu))[0]
    mean = "ReduceMean<axes = [3]>"
    body = NORM.replace("ReduceMean(x, last)", f"{mean}(x)").replace(
        "ReduceMean(p, third)", f"{mean}(p)"
    )
    norm = parse_graph(f"{HEAD} {{ {body} y = Relu(n) }}", CONSTANTS, 16)
    assert "opset 16 has no LayerNorm" in reasons(apply(norm, recognise_layer_norm))[0]
