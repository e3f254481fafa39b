"""Suppression inside an ONNX graph, against torchvision's."""

import numpy as np
import onnx
import onnxruntime
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper
from torchvision.ops import batched_nms

from topformer_cli.deploy.suppression import CANDIDATES, SuppressionRule, end_in_boxes
from topformer_cli.deploy.to_onnx import OPSET


def graph(number: int, classes: int) -> onnx.ModelProto:
    """A graph that gives its two inputs as candidates."""
    shapes = {"a": (1, number, 4), "b": (1, classes, number)}
    nodes = [
        helper.make_node("Identity", [name], [output])
        for name, output in zip(shapes, CANDIDATES, strict=True)
    ]
    values = {
        name: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in shapes.items()
    }
    outputs = [
        helper.make_tensor_value_info(output, TensorProto.FLOAT, shape)
        for output, shape in zip(CANDIDATES, shapes.values(), strict=True)
    ]
    model = helper.make_model(
        helper.make_graph(nodes, "candidates", list(values.values()), outputs),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=10,
    )
    model.metadata_props.add(key="card", value="of this model")
    return model


@settings(max_examples=20, deadline=None)
@given(
    number=st.integers(1, 60),
    classes=st.integers(1, 4),
    most=st.integers(1, 40),
    iou=st.sampled_from([0.3, 0.5, 0.9]),
    seed=st.integers(0, 1000),
)
def test_the_graph_keeps_what_torchvision_keeps(
    number: int, classes: int, most: int, iou: float, seed: int
) -> None:
    draw = np.random.default_rng(seed)
    corners = draw.uniform(0, 60, (number, 2)).astype(np.float32)
    sizes = draw.uniform(1, 60, (number, 2)).astype(np.float32)
    boxes = np.concatenate((corners, corners + sizes), axis=1)
    scores, labels = draw.random(number, np.float32), draw.integers(0, classes, number)
    by_class = np.where(labels == np.arange(classes)[:, None], scores, np.float32(0))
    rule = SuppressionRule(0.2, iou, most)
    model = end_in_boxes(graph(number, classes), rule)
    onnx.checker.check_model(model, full_check=True)
    assert [one.value for one in model.metadata_props] == ["of this model"]
    session = onnxruntime.InferenceSession(model.SerializeToString())
    found = session.run(None, {"a": boxes[None], "b": by_class[None]})
    above = np.flatnonzero(scores > rule.score)
    kept = batched_nms(*map(torch.from_numpy, (boxes[above], scores[above], labels[above])), iou)
    expected = above[kept[:most].numpy()]
    np.testing.assert_array_equal(found[0], boxes[expected])
    np.testing.assert_array_equal(found[1], scores[expected])
    np.testing.assert_array_equal(found[2], labels[expected])
