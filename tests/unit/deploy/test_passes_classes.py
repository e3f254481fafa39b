"""Classifiers get classes that never win, where nothing but the host would see them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.onnx_text import apply, noise, operators, parse_graph, reasons
from topformer_cli.deploy.onnx_graph import compute_graph, noise_for
from topformer_cli.deploy.passes.pad_classes import pad_classes
from topformer_cli.deploy.passes.parts.match import static_dimension

CONSTANTS = {
    "w": noise(11, 4, 1, 1),
    "v": noise(11, 4, 1, 1, seed=1),
    "w3": noise(11, 4, 3, 3),
    "grouped": noise(12, 2, 1, 1),
    "even": noise(16, 4, 1, 1),
    "b": noise(11),
    "one": noise(1, 4, 1, 1),
    "map": noise(1, 11, 8, 8),
    "scales": np.array([1, 1, 2, 2], np.float32),
    "sizes": np.array([1, 11, 12, 16], np.int64),
    "hw": np.array([12, 16], np.int64),
    "all_axes": np.array([11, 12, 16], np.int64),
    "flat": np.array([1, -1], np.int64),
}
HEAD = "(float[1,4,8,8] x) => (float y)"
MODE = 'mode = "linear"'


def check_behind(logits: np.ndarray) -> None:
    """Channels that do not count lie 1 below the first class, wherever it is."""
    behind = np.repeat(logits[:, :1] - 1, logits.shape[1] - 11, axis=1)
    np.testing.assert_allclose(logits[:, 11:], behind, atol=1e-5)


def test_logits_get_channels_that_do_not_count() -> None:
    done = apply(parse_graph(f"{HEAD} {{ y = Conv(x, w) }}", CONSTANTS), pad_classes)
    assert done.padded == {"y": 11}
    (output,) = done.model.graph.outputs
    assert output.shape == (1, 16, 8, 8)
    logits = compute_graph(done.model, noise_for(done.model))["y"]
    check_behind(logits)
    assert apply(done.model, pad_classes).changed == []


@pytest.mark.parametrize(
    "resize",
    [
        f"Resize<{MODE}>(c, , scales)",
        f"Resize<{MODE}>(c, , , sizes)",
        f"Resize<{MODE}, axes = [2, 3]>(c, , , hw)",
        f"Resize<{MODE}, axes = [1, 2, 3]>(c, , , all_axes)",
        'Resize<mode = "nearest">(c, , , sizes)',
        "Identity(c)",
    ],
)
def test_what_keeps_channels_may_lie_between(resize: str) -> None:
    done = apply(
        parse_graph(f"{HEAD} {{ c = Conv(x, w, b) y = {resize} }}", CONSTANTS), pad_classes
    )
    assert done.padded == {"y": 11}
    assert static_dimension(done.model.graph.outputs[0], 1) == 16


@pytest.mark.parametrize("keep", [0, 1])
def test_labels_keep_their_shape(keep: int) -> None:
    text = f"""(float[1,4,8,8] x) => (int64 y) {{
        c = Conv(x, w, b) u = Resize<{MODE}>(c, , , sizes)
        y = ArgMax<axis = 1, keepdims = {keep}>(u) }}"""
    before = parse_graph(text, CONSTANTS)
    done = apply(before, pad_classes, tolerance=0)
    assert done.changed == ["pad-classes"]
    assert done.padded == {}
    assert done.model.graph.outputs[0].shape == before.graph.outputs[0].shape


def test_a_sum_of_two_scales_is_padded_as_one() -> None:
    text = f"""(float[1,4,8,8] x, float[1,4,4,4] s) => (float y) {{
        low = Conv(s, w, b) up = Resize<{MODE}>(low, , scales) high = Conv(x, v)
        y = Add(up, high) }}"""
    done = apply(parse_graph(text, CONSTANTS), pad_classes)
    assert done.padded == {"y": 11}
    assert len(done.steps[0].outcome.matched) == 2
    logits = compute_graph(done.model, noise_for(done.model))["y"]
    check_behind(logits)


def test_two_outputs_of_one_classifier_are_both_padded() -> None:
    text = f"""(float[1,4,8,8] x) => (float y, float z, int64 a) {{
        y = Conv(x, w, b) z = Resize<{MODE}>(y, , scales) a = ArgMax<axis = 1>(z) }}"""
    assert apply(parse_graph(text, CONSTANTS), pad_classes).padded == {"y": 11, "z": 11}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("c = Conv(x, w, b) y = Sigmoid(c)", "(Sigmoid) would see the padded channels"),
        ("c = Conv(x, w, b) y = Reshape(c, flat)", "(Reshape) would see"),
        ("c = Conv(x, w, b) y = Softmax<axis = 1>(c)", "(Softmax) would see the padded channels"),
        ("y = Conv<pads = [1, 1, 1, 1]>(x, w3, b)", "is not 1x1"),
        ("y = Conv<group = 2>(x, grouped)", "is not 1x1 or has groups"),
        ("w2 = Relu(w) y = Conv(x, w2)", "no constants"),
        ("c = Conv(x, w, b) y = Add(c, map)", "map, which is added"),
        ("c = Conv(x, w, b) d = Conv(x, one) y = Add(c, d)", "d, which is added"),
        ("c = Conv(x, w, b) d = Relu(map) y = Add(c, d)", "(Relu) makes channels"),
    ],
)
def test_a_refusal_says_why(body: str, reason: str) -> None:
    outcome = pad_classes(parse_graph(f"{HEAD} {{ {body} }}", CONSTANTS))
    assert outcome.matched == ()
    assert reason in outcome.refused[0].reason


def test_labels_along_another_axis_would_count_the_copies() -> None:
    text = """(float[1,4,8,8] x) => (int64 y) { c = Conv(x, w, b) y = ArgMax<axis = 2>(c) }"""
    (refusal,) = pad_classes(parse_graph(text, CONSTANTS)).refused
    assert "(ArgMax) does not go over the channels" in refusal.reason


@pytest.mark.parametrize("body", ["y = Conv(x, even)", "c = Conv(x, w) d = Relu(c) y = Relu(d)"])
def test_no_classifier_or_an_even_one_is_not_mentioned(body: str) -> None:
    outcome = pad_classes(parse_graph(f"{HEAD} {{ {body} }}", CONSTANTS))
    assert (outcome.matched, outcome.refused) == ((), ())


@settings(max_examples=25, deadline=None)
@given(
    classes=st.integers(1, 40),
    inputs=st.integers(1, 9),
    height=st.integers(1, 9),
    width=st.integers(1, 9),
)
def test_any_number_of_classes(classes: int, inputs: int, height: int, width: int) -> None:
    constants = {
        "w": noise(classes, inputs, 1, 1),
        "b": noise(classes),
        "scales": CONSTANTS["scales"],
    }
    text = f"""(float[1,{inputs},{height},{width}] x) => (float y) {{
        c = Conv(x, w, b) y = Resize<{MODE}>(c, , scales) }}"""
    done = apply(parse_graph(text, constants), pad_classes)
    assert done.padded == ({"y": classes} if classes % 8 else {})
    assert done.model.graph.outputs[0].shape == (1, -(-classes // 8) * 8, 2 * height, 2 * width)
    assert operators(done.model) == {"Conv": 1, "Resize": 1}
    assert reasons(done) == []
