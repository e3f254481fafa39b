"""The exact GELU in the forms that exporters write, and what only looks like it."""

from collections import Counter
from collections.abc import Callable

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import pytest

from topformer_cli.deploy.passes import rewrite

HEAD = """
<ir_version: 10, opset_import: ["": 20]>
net (float[1,4,6] x) => (float[1,4,6] y)
<float root = {1.4142135}, float turn = {0.70710677}, float one = {1}, float half = {0.5},
 float other = {1.5}, float[1,1,1] wide = {0.5}>
"""
DIVIDED = "d = Div(x, root) e = Erf(d) a = Add(e, one) m = Mul(x, a) y = Mul(m, half)"
HALVED_FIRST = "d = Mul(turn, x) e = Erf(d) a = Add(one, e) m = Mul(half, x) y = Mul(a, m)"
GATE_HALVED = "d = Div(x, root) e = Erf(d) a = Add(e, one) m = Mul(a, wide) y = Mul(m, x)"
READ_TWICE = DIVIDED.replace("y = Mul", "n = Mul") + " y = Sub(n, e)"
ANOTHER = "d = Div(x, other) e = Erf(d) a = Add(e, one) m = Mul(x, a) y = Mul(m, half)"
NOT_X = "d = Div(x, root) e = Erf(d) a = Add(e, one) z = Abs(x) m = Mul(z, a) y = Mul(m, half)"


def model(body: str) -> ir.Model:
    proto = onnx.parser.parse_model(f"{HEAD} {{ {body} }}")
    onnx.checker.check_model(proto, full_check=True)
    return ir.from_proto(onnx.shape_inference.infer_shapes(proto))


def run(graph: ir.Model) -> np.ndarray:
    image = 3 * np.random.default_rng(0).standard_normal((1, 4, 6), np.float32)
    session = onnxruntime.InferenceSession(ir.to_proto(graph).SerializeToString())
    (result,) = session.run(None, {"x": image})
    return np.asarray(result)


@pytest.fixture(name="operators")
def _operators() -> Callable[[str], Counter[str]]:
    def count(body: str) -> Counter[str]:
        before = model(body)
        after, _ = rewrite(before)
        np.testing.assert_allclose(run(after), run(before), rtol=0, atol=2e-6)
        return Counter(node.op_type for node in after.graph)

    return count


@pytest.mark.parametrize("body", [DIVIDED, HALVED_FIRST, GATE_HALVED])
def test_every_order_is_recognised(body: str, operators: Callable[[str], Counter[str]]) -> None:
    assert operators(body) == {"Gelu": 1}


@pytest.mark.parametrize("body", [READ_TWICE, ANOTHER, NOT_X])
def test_what_only_looks_like_it_stays(body: str, operators: Callable[[str], Counter[str]]) -> None:
    found = operators(body)
    assert found["Erf"] == 1
    assert found["Gelu"] == 0
