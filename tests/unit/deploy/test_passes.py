"""Each rewrite matches what it says, leaves the rest, and keeps what the graph computes."""

import importlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import pytest
from onnx import TensorProto, helper

from tests.fakes.onnx_text import noise, parse_graph
from topformer_cli.deploy import passes
from topformer_cli.deploy.passes import TNN_PASSES, Pass, rewrite
from topformer_cli.deploy.passes.fold_batchnorm import fold_batchnorm
from topformer_cli.deploy.passes.fold_constants import fold_constants
from topformer_cli.deploy.passes.recognise_hard_sigmoid import recognise_hard_sigmoid

RANDOM = np.random.default_rng(3)
CONSTANTS = {
    "w": RANDOM.standard_normal((6, 4, 3, 3), np.float32),
    "b": RANDOM.standard_normal(6, np.float32),
    "gamma": RANDOM.uniform(0.5, 2, 6).astype(np.float32),
    "beta": RANDOM.standard_normal(6, np.float32),
    "mean": RANDOM.standard_normal(6, np.float32),
    "variance": RANDOM.uniform(0.5, 2, 6).astype(np.float32),
    "three": np.float32(3),
    "zero": np.float32(0),
    "six": np.float32(6),
    "five": np.float32(5),
    "sixth": np.float32(1 / 6),
    "tail": np.array([64], np.int64),
    "two": np.array([2], np.int64),
}


def graph(nodes: Sequence[onnx.NodeProto], outputs: Sequence[str] = ("y",)) -> ir.Model:
    given = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4, 8, 8])]
    results = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs]
    used = {name for node in nodes for name in node.input}
    constants = [
        onnx.numpy_helper.from_array(np.asarray(value), name)
        for name, value in CONSTANTS.items()
        if name in used
    ]
    proto = helper.make_model(
        helper.make_graph(list(nodes), "net", given, results, constants),
        opset_imports=[helper.make_opsetid("", 20)],
        ir_version=10,
    )
    return ir.from_proto(onnx.shape_inference.infer_shapes(proto))


def run(model: ir.Model) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(ir.to_proto(model).SerializeToString())
    image = np.random.default_rng(4).standard_normal((1, 4, 8, 8), np.float32)
    return list(session.run(None, {"x": 4 * image}))


def check_same(before: ir.Model, after: ir.Model) -> None:
    for left, right in zip(run(before), run(after), strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-5, atol=1e-5)


def apply(model: ir.Model, *steps: Pass) -> tuple[ir.Model, list[str]]:
    rewritten = rewrite(model, passes=steps)
    return rewritten.model, rewritten.changed


def operators(model: ir.Model) -> Counter[str]:
    return Counter(node.op_type for node in model.graph)


def hard_sigmoid(source: str, result: str, *, divide: bool = True) -> list[onnx.NodeProto]:
    scale, constant = ("Div", "six") if divide else ("Mul", "sixth")
    return [
        helper.make_node("Add", [source, "three"], ["shifted"]),
        helper.make_node("Clip", ["shifted", "zero", "six"], ["clipped"]),
        helper.make_node(scale, ["clipped", constant], [result]),
    ]


CONV = helper.make_node("Conv", ["x", "w", "b"], ["c"])
STATISTICS = ["gamma", "beta", "mean", "variance"]
NORM = helper.make_node("BatchNormalization", ["c", *STATISTICS], ["y"], epsilon=1e-3)


@pytest.mark.parametrize("bias", [True, False])
def test_batchnorm_goes_into_the_convolution(bias: bool) -> None:
    conv = CONV if bias else helper.make_node("Conv", ["x", "w"], ["c"])
    before = graph([conv, NORM])
    after, changed = apply(before, fold_batchnorm)
    assert changed == ["fold-batchnorm"]
    assert operators(after) == {"Conv": 1}
    check_same(before, after)


def test_batchnorm_stays_where_the_convolution_is_read_twice() -> None:
    model = graph([CONV, NORM], outputs=["c", "y"])
    assert not fold_batchnorm(model).matched
    assert operators(model) == {"Conv": 1, "BatchNormalization": 1}


def test_two_convolutions_may_share_a_weight() -> None:
    second = helper.make_node("Conv", ["x", "w", "b"], ["d"])
    norm = helper.make_node("BatchNormalization", ["c", *STATISTICS], ["n"])
    before = graph([CONV, norm, second, helper.make_node("Add", ["n", "d"], ["y"])])
    after, changed = apply(before, fold_batchnorm)
    assert changed
    check_same(before, after)


@pytest.mark.parametrize("divide", [True, False])
def test_hard_sigmoid_is_recognised(divide: bool) -> None:
    before = graph(hard_sigmoid("x", "y", divide=divide))
    after, changed = apply(before, recognise_hard_sigmoid)
    assert changed == ["recognise-hard-sigmoid"]
    assert operators(after) == {"HardSigmoid": 1}
    check_same(before, after)


def test_what_only_looks_like_a_hard_sigmoid_stays() -> None:
    other = hard_sigmoid("x", "y")
    other[2] = helper.make_node("Div", ["clipped", "five"], ["y"])
    assert not recognise_hard_sigmoid(graph(other)).matched
    read_twice = graph(hard_sigmoid("x", "y"), outputs=["y", "clipped"])
    assert not recognise_hard_sigmoid(read_twice).matched
    turned = hard_sigmoid("x", "y")
    turned[2] = helper.make_node("Div", ["six", "clipped"], ["y"])
    assert not recognise_hard_sigmoid(graph(turned)).matched


def test_shape_arithmetic_becomes_a_constant() -> None:
    before = graph(
        [
            helper.make_node("Shape", ["x"], ["shape"], start=0, end=2),
            helper.make_node("Concat", ["shape", "tail"], ["target"], axis=0),
            helper.make_node("Reshape", ["x", "target"], ["r"]),
            helper.make_node("Identity", ["r"], ["y"]),
        ]
    )
    after, changed = apply(before, fold_constants)
    assert changed == ["fold-constants"]
    assert operators(after) == {"Reshape": 1}
    check_same(before, after)


def test_the_whole_list_keeps_the_graph_and_says_what_changed() -> None:
    norm = helper.make_node("BatchNormalization", ["c", *STATISTICS], ["n"])
    before = graph([CONV, norm, *hard_sigmoid("n", "y")])
    after, changed = apply(before, *TNN_PASSES)
    assert changed == ["fold-batchnorm", "recognise-hard-sigmoid"]
    assert operators(after) == {"Conv": 1, "HardSigmoid": 1}
    assert operators(before)["BatchNormalization"] == 1
    check_same(before, after)
    assert rewrite(after).changed == []
    assert len({step.__name__ for step in TNN_PASSES}) == len(TNN_PASSES)


def test_every_rewrite_is_a_module_of_its_name_and_is_listed() -> None:
    found = set()
    for path in Path(passes.__path__[0]).glob("[a-z]*.py"):
        module = importlib.import_module(f"{passes.__name__}.{path.stem}")
        found.add(getattr(module, path.stem))
    assert found == set(TNN_PASSES)
    for step in TNN_PASSES:
        assert "Given:" in str(step.__doc__), step.__name__
        assert "Result" in str(step.__doc__), step.__name__


def test_half_precision_is_left_alone() -> None:
    half = {"w": noise(6, 4, 1, 1), "s": noise(6, 1, 1), "f": noise(6, 1, 1, 1)}
    text = """(float[1,4,8,8] x) => (float16 y) {
        h = Cast<to = 10>(x) c = Conv(h, w) d = Mul(c, s) y = Conv<group = 6>(d, f) }"""
    model = parse_graph(text, {name: value.astype(np.float16) for name, value in half.items()})
    assert rewrite(model).changed == []
