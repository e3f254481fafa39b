"""Preflight, names and fused activations."""

import itertools
from collections.abc import Sequence

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import TensorProto, helper

from topformer_cli.deploy.passes import rewrite
from topformer_cli.deploy.tnn.convert import TnnModel, to_tnn
from topformer_cli.deploy.tnn.layers.convolution import RELU, RELU6, Convolution
from topformer_cli.errors import ExportError


def graph(
    nodes: Sequence[onnx.NodeProto],
    *,
    inputs: Sequence[onnx.ValueInfoProto] = (),
    outputs: Sequence[str] = ("y",),
    opset: int = 20,
) -> ir.Model:
    given = list(inputs) or [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4, 8, 8])]
    results = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs]
    weights = {
        "w": np.ones((4, 4, 1, 1), np.float32),
        "zero": np.float32(0),
        "six": np.float32(6),
    }
    constants = [onnx.numpy_helper.from_array(np.asarray(v), k) for k, v in weights.items()]
    proto = helper.make_model(
        helper.make_graph(list(nodes), "net", given, results, constants),
        opset_imports=[helper.make_opsetid("", opset)],
        ir_version=10,
    )
    return ir.from_proto(onnx.shape_inference.infer_shapes(proto))


def convert(model: ir.Model) -> TnnModel:
    return to_tnn(rewrite(model).model, "net.onnx")


def test_everything_unsupported_is_listed_at_once() -> None:
    model = graph(
        [
            helper.make_node("Asinh", ["x"], ["a"], name="first"),
            helper.make_node("Asinh", ["a"], ["b"], name="second"),
            helper.make_node("Conv", ["b", "k"], ["c"], name="dynamic"),
            helper.make_node("Softmax", ["c"], ["d"], name="rows", axis=0),
            helper.make_node("Cast", ["d"], ["e"], name="half", to=TensorProto.FLOAT16),
            helper.make_node("Cast", ["e"], ["f"], to=TensorProto.FLOAT),
            helper.make_node(
                "AveragePool", ["f"], ["y"], name="p", kernel_shape=[3, 3], dilations=[2, 2]
            ),
        ],
        inputs=[
            helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4, 8, 8]),
            helper.make_tensor_value_info("k", TensorProto.FLOAT, [4, 4, 1, 1]),
        ],
        opset=12,
    )
    with pytest.raises(ExportError) as caught:
        to_tnn(model, "net.onnx")
    message = str(caught.value)
    assert message.startswith("net.onnx: cannot be written as TNN: opset 12")
    for part in (
        "Asinh: no TNN layer is known for it (first, second)",
        "Conv: the weight is not a constant (dynamic)",
        "Softmax: axis 0, which TNN does not have on ARM (rows)",
        "Cast: type FLOAT16, not float32 (half, the node that makes f)",
        "AveragePool: dilations (p)",
    ):
        assert part in message
    assert "\n" not in message


def test_a_long_list_stays_readable() -> None:
    names = ["x", *(f"v{i}" for i in range(16)), "y"]
    nodes = [
        helper.make_node("Asinh", [a], [b], name=f"n{i}")
        for i, (a, b) in enumerate(itertools.pairwise(names))
    ]
    with pytest.raises(ExportError, match=r"it \(n0, n1, n2, n3, n4 and 12 more\)$"):
        convert(graph(nodes))


def test_vectors_are_refused() -> None:
    given = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [5])]
    with pytest.raises(ExportError, match=r"Relu: rank 1, which TNN computes wrongly on ARM"):
        convert(graph([helper.make_node("Relu", ["x"], ["y"])], inputs=given))


@pytest.mark.parametrize(
    ("kind", "shape", "reason"),
    [
        (TensorProto.FLOAT, [1, 4, "height", 8], "the shape of 'x' is not static"),
        (TensorProto.FLOAT16, [1, 4, 8, 8], "type FLOAT16, not float32 or uint8"),
        (TensorProto.FLOAT, [1, 1, 1, 4, 8, 8], "rank 6, 1 to 5 can be written"),
    ],
)
def test_inputs_that_do_not_fit_are_named(kind: int, shape: list[int | str], reason: str) -> None:
    given = helper.make_tensor_value_info("x", kind, shape)
    result = helper.make_tensor_value_info("y", kind, None)
    node = helper.make_node("Relu", ["x"], ["y"])
    proto = helper.make_model(
        helper.make_graph([node], "net", [given], [result]),
        opset_imports=[helper.make_opsetid("", 20)],
        ir_version=10,
    )
    with pytest.raises(ExportError, match=f"input x: {reason}"):
        convert(ir.from_proto(onnx.shape_inference.infer_shapes(proto)))


def test_an_unknown_attribute_is_refused_rather_than_forgotten() -> None:
    node = helper.make_node("Reshape", ["x", "s"], ["y"], name="r")
    model = graph([helper.make_node("Constant", [], ["s"], value_ints=[1, 4, 64]), node])
    rewritten = rewrite(model).model
    assert to_tnn(rewritten, "net").network.layers
    next(n for n in rewritten.graph if n.op_type == "Reshape").attributes["new"] = ir.AttrInt64(
        "new", 1
    )
    with pytest.raises(ExportError, match=r"Reshape: attribute new \(r\)"):
        to_tnn(rewritten, "net")


def test_unsupported_nodes_that_nobody_reads_do_no_harm() -> None:
    nodes = [helper.make_node("Erf", ["x"], ["dead"]), helper.make_node("Relu", ["x"], ["y"])]
    assert [layer.name for layer in convert(graph(nodes)).network.layers] == ["y"]


def test_names_become_fit_for_the_text_file() -> None:
    given = helper.make_tensor_value_info('in, "put":0', TensorProto.FLOAT, [1, 4, 8, 8])
    nodes = [
        helper.make_node("Relu", ['in, "put":0'], ["a b"]),
        helper.make_node("Relu", ["a b"], ["a,b"]),
        helper.make_node("Relu", ["a,b"], ["a_b"]),
        helper.make_node("Sigmoid", ["a_b"], ["/é\n"]),
    ]
    network = convert(graph(nodes, inputs=[given], outputs=["/é\n"])).network
    assert network.inputs[0].name == "in___put__0"
    assert [layer.outputs[0] for layer in network.layers] == ["a_b", "a_b_2", "a_b_3", "/__"]
    assert network.layers[-1].inputs == ("a_b_3",)


def activations(model: ir.Model) -> list[int]:
    layers = convert(model).network.layers
    return [item.record.activation for item in layers if isinstance(item.record, Convolution)]


def test_activations_go_into_the_convolution_that_they_alone_read() -> None:
    conv = helper.make_node("Conv", ["x", "w"], ["c"])
    relu = helper.make_node("Relu", ["c"], ["y"])
    clip = helper.make_node("Clip", ["c", "zero", "six"], ["y"])
    fused = convert(graph([conv, relu])).network
    assert [(layer.name, layer.outputs) for layer in fused.layers] == [("c", ("y",))]
    assert activations(graph([conv, relu])) == [RELU]
    assert activations(graph([conv, clip])) == [RELU6]


def test_activations_stay_where_the_convolution_is_read_twice() -> None:
    conv = helper.make_node("Conv", ["x", "w"], ["c"])
    relu = helper.make_node("Relu", ["c"], ["r"])
    both = helper.make_node("Add", ["c", "r"], ["y"])
    assert activations(graph([conv, relu, both])) == [0]
    assert activations(graph([conv, relu], outputs=["c", "r"])) == [0]
    assert len(convert(graph([conv, relu], outputs=["c", "r"])).network.layers) == 2


def test_a_second_activation_stays_a_layer() -> None:
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"]),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("Clip", ["r", "zero", "six"], ["y"]),
    ]
    assert [layer.record.TYPE for layer in convert(graph(nodes)).network.layers] == [
        "Convolution",
        "ReLU6",
    ]
