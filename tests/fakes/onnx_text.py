"""ONNX graphs from a few lines of text and named constants."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
from numpy.typing import NDArray
from onnx import parser

from topformer_cli.deploy.passes import Pass, RewriteRules, Rewritten, rewrite
from topformer_cli.deploy.passes.parts.check import SameOutputs

STRICT = 2e-6
"""Tolerance of max|reference|: what one operation in another order changes in float32."""


def parse_graph(text: str, constants: Mapping[str, Any], opset: int = 20) -> ir.Model:
    """Return a graph such as `(float[1,3,8,8] x) => (float y) { y = Relu(x) }`, shapes inferred.

    Constants are added under their names, numbers as float32; outputs have the shape they get.
    """
    head = f'<ir_version: 10, opset_import: ["" : {opset}]> net'
    proto = parser.parse_model(f"{head} {text}")
    for output in proto.graph.output:
        output.type.tensor_type.ClearField("shape")
    read = {name for node in proto.graph.node for name in node.input}
    for name, value in constants.items():
        if name in read:
            array = np.asarray(value)
            single = array.astype(np.float32) if array.dtype == np.float64 else array
            proto.graph.initializer.append(onnx.numpy_helper.from_array(single, name))
    inferred = onnx.shape_inference.infer_shapes(proto, strict_mode=True)
    onnx.checker.check_model(inferred)
    return ir.from_proto(inferred)


def apply(model: ir.Model, *passes: Pass, tolerance: float = STRICT) -> Rewritten:
    """Rewrite a graph; `rewrite` itself checks in onnxruntime that it computes the same."""
    done = rewrite(model, RewriteRules(tolerance=tolerance), passes)
    # Once more over all of them, and the result is a valid file.
    onnx.checker.check_model(ir.to_proto(done.model), full_check=True)
    SameOutputs(model, tolerance).require(done.model, "all", done.padded)
    return done


def matched(done: Rewritten) -> list[str]:
    """Return how many places every rewrite matched, as `name: count`."""
    return [f"{step.name}: {len(step.outcome.matched)}" for step in done.steps]


def reasons(done: Rewritten) -> list[str]:
    """Return why places were refused."""
    return [refusal.reason for step in done.steps for refusal in step.outcome.refused]


def operators(model: ir.Model) -> Counter[str]:
    """Count the operators of a graph."""
    return Counter(node.op_type for node in model.graph)


def noise(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    """Return seeded noise, a constant for a graph."""
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)
