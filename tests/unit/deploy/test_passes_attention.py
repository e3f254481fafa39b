"""Attention is brought into the form with the fewest transpositions."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.onnx_text import apply, noise, operators, parse_graph, reasons
from topformer_cli.deploy.passes.one_permute_attention import one_permute_attention

CONSTANTS = {
    "scale": np.float32(0.3),
    "mask": noise(1, 2, 6, 6),
    "weight": noise(6, 5),
}
HEAD = "(float[1,2,4,6] q, float[1,2,4,6] k, float[1,2,5,6] v) => (float y, float z)"
SWAP = "Transpose<perm = [0, 1, 3, 2]>"
OPERANDS = f"qt = {SWAP}(q) vt = {SWAP}(v) s = MatMul(qt, k)"
REST = f"a = Softmax(s) o = MatMul(a, vt) y = {SWAP}(o) z = Relu(q)"


@pytest.mark.parametrize(
    ("scores", "softmax"),
    [
        ("s = Identity(r)", "Softmax<axis = -1>(r)"),
        ("s = Identity(r)", "Softmax<axis = 3>(r)"),
        ("s = Mul(r, scale)", "Softmax(s)"),
        ("s = Mul(scale, r)", "Softmax(s)"),
        ("s = Div(r, scale)", "Softmax(s)"),
    ],
)
def test_three_transpositions_become_one(scores: str, softmax: str) -> None:
    unused = "" if "Identity" in scores else scores
    text = f"""{HEAD} {{ qt = {SWAP}(q) vt = {SWAP}(v) r = MatMul(qt, k) {unused}
        a = {softmax} o = MatMul(a, vt) y = {SWAP}(o) z = Relu(q) }}"""
    before = parse_graph(text, CONSTANTS)
    done = apply(before, one_permute_attention)
    assert operators(done.model) == operators(before) - Counter({"Transpose": 2})
    assert done.model.graph.outputs[0].shape == (1, 2, 5, 6)
    assert apply(done.model, one_permute_attention).changed == []


def test_transposed_keys_make_it_none() -> None:
    text = f"""(float[1,2,6,4] q, float[1,2,6,4] k, float[1,2,5,6] v) => (float y, float z) {{
        kt = {SWAP}(k) vt = {SWAP}(v) s = MatMul(q, kt) {REST} }}"""
    done = apply(parse_graph(text, CONSTANTS), one_permute_attention)
    assert operators(done.model)["Transpose"] == 1


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (f"{OPERANDS} {REST.replace('Relu(q)', 'Relu(s)')}", "s is also read elsewhere"),
        (f"{OPERANDS} {REST.replace('Softmax(s)', 'Softmax<axis = 2>(s)')}", "goes over axis 2"),
        (
            f"qt = {SWAP}(q) w = {SWAP}(v) s = MatMul(qt, k) vt = Relu(w) {REST}",
            "need 2 transpositions and has 2",
        ),
    ],
)
def test_a_refusal_says_why(body: str, reason: str) -> None:
    model = parse_graph(f"{HEAD} {{ {body} }}", CONSTANTS)
    before = operators(model)
    outcome = one_permute_attention(model)
    assert outcome.matched == ()
    assert [reason in refusal.reason for refusal in outcome.refused] == [True]
    assert operators(model) == before


def test_an_old_softmax_is_refused() -> None:
    model = parse_graph(
        f"{HEAD} {{ {OPERANDS} {REST} }}".replace("(s)", "<axis = 3>(s)"), CONSTANTS, 12
    )
    assert "13 is needed" in reasons(apply(model, one_permute_attention))[0]


@pytest.mark.parametrize(
    "body",
    [
        f"{OPERANDS} m = Add(s, mask) {REST.replace('Softmax(s)', 'Softmax(m)')}",
        f"{OPERANDS} {REST.replace('0, 1, 3, 2', '0, 2, 1, 3')}",
        f"{OPERANDS} a = Softmax(s) y = MatMul(a, vt) z = Relu(q)",
    ],
)
def test_other_attention_is_not_mentioned(body: str) -> None:
    outcome = one_permute_attention(parse_graph(f"{HEAD} {{ {body} }}", CONSTANTS))
    assert (outcome.matched, outcome.refused) == ((), ())


@settings(max_examples=20, deadline=None)
@given(
    heads=st.integers(1, 3),
    depth=st.integers(1, 5),
    width=st.integers(1, 5),
    queries=st.integers(1, 7),
    keys=st.integers(1, 7),
)
def test_any_sizes(heads: int, depth: int, width: int, queries: int, keys: int) -> None:
    text = f"""(float[1,{heads},{depth},{queries}] q, float[1,{heads},{depth},{keys}] k,
        float[1,{heads},{width},{keys}] v) => (float y, float z) {{ {OPERANDS} {REST} }}"""
    done = apply(parse_graph(text, CONSTANTS), one_permute_attention)
    assert done.changed == ["one-permute-attention"]
    assert operators(done.model)["Transpose"] == 1
