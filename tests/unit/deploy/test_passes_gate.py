"""A gate's hard sigmoid becomes a ReLU6 where its scale has somewhere else to go."""

import numpy as np
import pytest

from tests.fakes.onnx_text import apply, noise, operators, parse_graph
from topformer_cli.deploy.passes.gate_by_relu6 import gate_by_relu6

CONSTANTS = {
    "w": noise(6, 4, 1, 1),
    "v": noise(6, 4, 1, 1, seed=1),
    "b": noise(6),
    "grow": np.array([1, 1, 2, 2], np.float32),
    "one": noise(1, 4, 1, 1),
    "map": noise(1, 6, 8, 8),
}
HEAD = "(float[1,4,8,8] x, float[1,4,4,4] s) => (float y, float z)"
UP = 'Resize<mode = "linear">'
EXACT = "<alpha = 0.16666667, beta = 0.5>"


@pytest.mark.parametrize("given", [EXACT, "", "<alpha = 0.3, beta = 0.1>"])
@pytest.mark.parametrize("product", ["Mul(local, u)", "Mul(u, local)"])
def test_the_scale_goes_into_what_is_gated(given: str, product: str) -> None:
    text = f"""{HEAD} {{ g = Conv(s, w, b) h = HardSigmoid{given}(g) u = {UP}(h, , grow)
        local = Conv(x, v) y = {product} z = Relu(x) }}"""
    done = apply(parse_graph(text, CONSTANTS), gate_by_relu6)
    assert done.changed == ["gate-by-relu6"]
    assert operators(done.model) == {"Conv": 2, "Clip": 1, "Resize": 1, "Mul": 1, "Relu": 1}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("l = Conv(x, v) y = Mul(l, h) z = Relu(h)", "h is read 2 times"),
        ("y = Relu(h) z = Relu(x)", "(Relu) is no product"),
        ("l = Relu(map) y = Mul(l, h) z = Relu(x)", "cannot take a scale"),
        ("l = Conv(x, v) y = Mul(l, h) z = Relu(l)", "l is read 2 times"),
        ("l = Conv(x, one) y = Mul(l, h) z = Relu(x)", "has other channels than 6"),
    ],
)
def test_a_refusal_says_why(body: str, reason: str) -> None:
    text = f"{HEAD} {{ g = Conv(x, w, b) h = HardSigmoid{EXACT}(g) {body} }}"
    outcome = gate_by_relu6(parse_graph(text, CONSTANTS))
    assert outcome.matched == ()
    assert [reason in refusal.reason for refusal in outcome.refused] == [True]


def test_a_hard_sigmoid_behind_no_convolution_is_not_mentioned() -> None:
    text = f"{HEAD} {{ h = HardSigmoid(x) r = Relu(h) y = Mul(r, x) z = Relu(s) }}"
    outcome = gate_by_relu6(parse_graph(text, CONSTANTS))
    assert (outcome.matched, outcome.refused) == ((), ())
