"""Small networks and plans that the bench tests share."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from topformer_cli.bench.plan import BenchPlan, Protocol

QUICK = Protocol(warmup=2, rounds=3, iterations=5, min_warmup_s=0, min_round_s=0, deadline_s=30)


@pytest.fixture
def host_plan(tmp_path: Path) -> BenchPlan:
    """An ONNX file that multiplies [1, 3, 4, 4] by two and adds one, with its reference."""
    inputs = np.random.default_rng(0).standard_normal((1, 3, 4, 4)).astype(np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("Mul", ["image", "two"], ["doubled"]),
            helper.make_node("Add", ["doubled", "one"], ["logits"]),
        ],
        "affine",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 4, 4])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, 3, 4, 4])],
        [
            helper.make_tensor("two", TensorProto.FLOAT, [], [2.0]),
            helper.make_tensor("one", TensorProto.FLOAT, [], [1.0]),
        ],
    )
    path = tmp_path / "affine.onnx"
    opset = [helper.make_opsetid("", 18)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=10), path)
    return BenchPlan(
        name="affine",
        card={"size": "tiny"},
        artifact=path,
        inputs=inputs,
        reference=inputs * np.float32(2) + np.float32(1),
        protocol=QUICK,
    )
