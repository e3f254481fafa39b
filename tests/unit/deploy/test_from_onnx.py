"""What a user's ONNX file may hold, and what is said of one that cannot be read."""

import itertools
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from tests.fakes import real_tnn
from topformer_cli.deploy.foreign import subject_of
from topformer_cli.deploy.from_onnx import image_shapes, load_graph
from topformer_cli.deploy.passes import rewrite
from topformer_cli.deploy.tnn.convert import TnnModel, to_tnn
from topformer_cli.deploy.tnn.interpreter import load_tnn, run_tnn
from topformer_cli.errors import ExportError

FLOAT = TensorProto.FLOAT


def info(name: str, shape: Sequence[int | str | None] | None, kind: int = FLOAT) -> Any:
    return helper.make_tensor_value_info(name, kind, shape)


def save(path: Path, nodes: Sequence[onnx.NodeProto], **given: Any) -> Path:
    """Write a model; weights by name, inputs and outputs as value infos, else image -> y."""
    weights = [
        onnx.numpy_helper.from_array(np.asarray(array), name)
        for name, array in given.get("weights", {}).items()
    ]
    graph = helper.make_graph(
        list(nodes),
        "net",
        given.get("inputs", [info("image", [1, 3, 8, 8])]),
        given.get("outputs", [info("y", None)]),
        weights,
    )
    opsets = [helper.make_opsetid("", given.get("opset", 20)), helper.make_opsetid("mine", 1)]
    proto = helper.make_model(
        graph,
        opset_imports=opsets,
        functions=given.get("functions", []),
        ir_version=given.get("ir_version", 10),
    )
    onnx.save(proto, path)
    return path


def node(op: str, inputs: str, outputs: str = "y", **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(op, inputs.split(), outputs.split(), **attributes)


def convert(path: Path, shapes: dict[str, tuple[int, ...]] | None = None) -> TnnModel:
    return to_tnn(rewrite(load_graph(path, shapes)).model, path.name)


def check_same(
    path: Path, feed: np.ndarray, shapes: dict[str, tuple[int, ...]] | None = None
) -> None:
    (reference,) = onnxruntime.InferenceSession(path).run(None, {"image": feed})
    loaded = load_tnn(real_tnn.write(convert(path, shapes), path.parent))
    (found,) = run_tnn(loaded, {"image": feed.astype(np.float32)}).values()
    np.testing.assert_allclose(found, reference, rtol=1e-5, atol=1e-5)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "net.onnx"


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((1, 3, 8, 8), np.float32)


OLD: dict[str, tuple[int, list[onnx.NodeProto], dict[str, Any]]] = {
    "clip": (7, [node("Clip", "image", min=-0.5, max=0.5)], {}),
    "clip by inputs": (11, [node("Clip", "image low")], {"low": np.float32(-0.5)}),
    "upsample": (
        9,
        [node("Upsample", "image s", mode="nearest")],
        {"s": np.float32([1, 1, 2, 2])},
    ),
    "squeeze": (
        11,
        [node("Unsqueeze", "image", "a", axes=[1]), node("Squeeze", "a", axes=[0])],
        {},
    ),
    "split": (
        11,
        [node("Split", "image", "a b", axis=1, split=[1, 2]), node("Add", "a b")],
        {},
    ),
    "means": (11, [node("ReduceMean", "image", axes=[1], keepdims=0)], {}),
    "sums": (12, [node("ReduceSum", "image", axes=[2, 3])], {}),
    "softmax over the rest": (11, [node("Softmax", "image", axis=1)], {}),
    "pad": (10, [node("Pad", "image", pads=[0, 0, 1, 1, 0, 0, 1, 1], value=2.0)], {}),
    "slice": (9, [node("Slice", "image", starts=[1], ends=[7], axes=[3])], {}),
    "dropout": (7, [node("Dropout", "image", "a", ratio=0.3), node("Relu", "a")], {}),
    "batch norm": (
        8,
        [node("BatchNormalization", "image w w w w")],
        {"w": np.float32([1.5, 0.5, 2])},
    ),
}


@pytest.mark.parametrize("name", OLD)
def test_old_opsets_are_read_as_they_were_meant(name: str, file: Path, image: np.ndarray) -> None:
    opset, nodes, weights = OLD[name]
    save(file, nodes, weights=weights, opset=opset, ir_version=7)
    check_same(file, image)


def test_weights_listed_as_inputs_are_no_inputs(file: Path, image: np.ndarray) -> None:
    weight = np.random.default_rng(1).standard_normal((4, 3, 3, 3), np.float32)
    save(
        file,
        [node("Conv", "image w")],
        inputs=[info("image", [1, 3, 8, 8]), info("w", weight.shape)],
        weights={"w": weight},
        ir_version=3,
        opset=11,
    )
    check_same(file, image)
    assert [blob.name for blob in convert(file).network.inputs] == ["image"]


def test_functions_are_opened(file: Path, image: np.ndarray) -> None:
    body = [node("Relu", "x", "a"), node("Neg", "a", "b")]
    function = helper.make_function("mine", "F", ["x"], ["b"], body, [helper.make_opsetid("", 20)])
    save(file, [node("F", "image", domain="mine")], functions=[function])
    check_same(file, image)


def test_what_no_output_needs_does_no_harm(file: Path) -> None:
    save(
        file,
        [
            node("Relu", "image"),
            node("NonZero", "other", "z"),
            node("Odd", "image", "o", domain="mine"),
        ],
        inputs=[info("image", [1, 3, 8, 8]), info("other", ["n"], TensorProto.INT64)],
    )
    converted = convert(file)
    assert [layer.record.TYPE for layer in converted.network.layers] == ["ReLU"]
    assert [blob.name for blob in converted.network.inputs] == ["image"]


def test_bytes_that_are_cast_to_float_become_float(file: Path) -> None:
    save(
        file,
        [node("Cast", "image", "f", to=FLOAT), node("Div", "f c")],
        weights={"c": np.float32(255)},
        inputs=[info("image", [1, 3, 8, 8], TensorProto.UINT8)],
    )
    check_same(file, np.random.default_rng(0).integers(0, 256, (1, 3, 8, 8), np.uint8))
    assert [layer.record.TYPE for layer in convert(file).network.layers] == ["Div"]


def test_labels_need_no_cast(file: Path, image: np.ndarray) -> None:
    nodes = [node("ArgMax", "image", "a", axis=1), node("Cast", "a", to=TensorProto.UINT8)]
    save(file, nodes, outputs=[info("y", None, TensorProto.UINT8)])
    check_same(file, image)
    assert convert(file).network.outputs == ("y",)


def test_open_dimensions_are_fixed_by_shapes(file: Path, image: np.ndarray) -> None:
    shape = node("Shape", "image", "s", start=2)
    nodes = [
        shape,
        node("Concat", "front s", "size", axis=0),
        node("MaxPool", "image", "p", kernel_shape=[2, 2], strides=[2, 2]),
        node("Resize", "p none none size", mode="linear"),
    ]
    nodes[3].input[1] = nodes[3].input[2] = ""
    save(
        file,
        nodes,
        weights={"front": np.array([1, 3])},
        inputs=[info("image", ["N", 3, "height", None])],
        outputs=[info("y", ["N", 3, "height", None])],
    )
    assert image_shapes(file, (8, 8)) == {"image": (1, 3, 8, 8)}
    check_same(file, image, image_shapes(file, (8, 8)))
    with pytest.raises(ExportError, match=r"open dimensions in \[N, 3, height, \?\]; type --input"):
        load_graph(file)
    with pytest.raises(ExportError, match=r"\[1, 4, 8, 8\] does not fit \[N, 3, height, \?\]"):
        load_graph(file, {"image": (1, 4, 8, 8)})
    with pytest.raises(ExportError, match="picture: no such input, there is image"):
        load_graph(file, {"picture": (1, 3, 8, 8)})


def test_an_open_batch_is_one(file: Path) -> None:
    save(file, [node("Relu", "image")], inputs=[info("image", ["N", 3, 8, 8])])
    assert convert(file).network.inputs[0].shape == (1, 3, 8, 8)


def test_size_needs_one_image_input(file: Path) -> None:
    inputs = [info("a", ["n", 4]), info("b", [2])]
    save(file, [node("Mul", "a b")], inputs=inputs)
    with pytest.raises(ExportError, match=r"the inputs are: a \[n, 4\], b \[2\]"):
        image_shapes(file, (8, 8))


def test_inputs_of_other_types_are_all_named(file: Path) -> None:
    kinds = {"half": TensorProto.FLOAT16, "whole": TensorProto.INT64, "byte": TensorProto.UINT8}
    nodes = [node("Cast", name, f"{name}_f", to=FLOAT) for name in ("half", "whole")]
    nodes += [
        node("Cast", "byte", "byte_f", to=TensorProto.INT32),
        node("Cast", "byte_f", "b", to=FLOAT),
    ]
    nodes += [node("Sum", "half_f whole_f b")]
    save(file, nodes, inputs=[info(name, [1, 4], kind) for name, kind in kinds.items()])
    with pytest.raises(ExportError) as caught:
        load_graph(file)
    for part in ("half: type FLOAT16", "whole: type INT64", "byte: type UINT8"):
        assert part in str(caught.value)


def test_sequences_are_refused(file: Path) -> None:
    made = helper.make_tensor_sequence_value_info("y", FLOAT, None)
    save(file, [node("SequenceConstruct", "image")], outputs=[made])
    with pytest.raises(ExportError, match="output y: no tensor"):
        load_graph(file)


def test_branches_that_stay_are_refused_by_name(file: Path) -> None:
    branches = [
        helper.make_graph([node(op, "image", f"{op}_y")], op, [], [info(f"{op}_y", None)])
        for op in ("Relu", "Neg")
    ]
    nodes = [
        node("ReduceSum", "image", "s", keepdims=0),
        node("Greater", "s zero", "c"),
        node("If", "c", name="choice", then_branch=branches[0], else_branch=branches[1]),
    ]
    save(file, nodes, weights={"zero": np.float32(0)})
    with pytest.raises(ExportError, match=r"If: no TNN layer is known for it \(choice\)"):
        convert(file)


def test_a_constant_branch_is_taken(file: Path, image: np.ndarray) -> None:
    branches = [
        helper.make_graph([node(op, "image", f"{op}_y")], op, [], [info(f"{op}_y", [1, 3, 8, 8])])
        for op in ("Relu", "Neg")
    ]
    nodes = [node("If", "c", then_branch=branches[0], else_branch=branches[1])]
    save(file, nodes, weights={"c": np.array(True)})
    check_same(file, image)


@pytest.mark.parametrize(
    "content", [b"", b"not a model", b"\x08\x0a\x12\x04test", bytes(range(256))]
)
def test_files_that_are_no_onnx_are_named(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    with pytest.raises(ExportError, match="no readable ONNX model") as caught:
        load_graph(file)
    assert str(caught.value).startswith(str(file))
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(file: Path) -> None:
    with pytest.raises(ExportError, match=r"net\.onnx: no readable ONNX model .*No such file"):
        load_graph(file)


def test_a_cut_file_is_refused(file: Path) -> None:
    save(file, [node("Conv", "image w")], weights={"w": np.ones((4, 3, 3, 3), np.float32)})
    whole = file.read_bytes()
    for size in range(1, len(whole), 37):
        file.write_bytes(whole[:size])
        with pytest.raises(ExportError, match=r"net\.onnx: "):
            convert(file)


def test_an_empty_graph_is_refused(file: Path) -> None:
    save(file, [])
    with pytest.raises(ExportError, match="the graph holds no operators"):
        load_graph(file)


def test_opsets_of_the_future_are_refused(file: Path) -> None:
    save(file, [node("Relu", "image")], opset=999)
    with pytest.raises(ExportError, match="999"):
        load_graph(file)


def test_external_weights_are_read_or_missed_by_name(file: Path, image: np.ndarray) -> None:
    weight = np.random.default_rng(1).standard_normal((4, 3, 3, 3), np.float32)
    save(file, [node("Conv", "image w")], weights={"w": weight})
    onnx.save(
        onnx.load(file), file, save_as_external_data=True, location="net.weights", size_threshold=0
    )
    check_same(file, image)
    (file.parent / "net.weights").unlink()
    with pytest.raises(ExportError, match=r"its weights lie in 'net.weights', which is not beside"):
        load_graph(file)


def test_odd_names_are_made_fit(file: Path, image: np.ndarray) -> None:
    names = ["a b", "a,b", 'a"b', "a\nb", "größe", "a_b"]
    chain = ["image", *names, "y"]
    nodes = [helper.make_node("Relu", [a], [b]) for a, b in itertools.pairwise(chain)]
    save(file, nodes)
    check_same(file, image)
    blobs = convert(file).network.blobs
    assert len(set(blobs)) == len(chain)
    assert all(not set(name) & set(' ,"\n') for name in blobs)


def test_many_nodes_take_seconds(file: Path) -> None:
    nodes = [node("Add", f"v{i} w", f"v{i + 1}") for i in range(5000)]
    nodes[0].input[0], nodes[-1].output[0] = "image", "y"
    save(file, nodes, weights={"w": np.float32([1])}, opset=13)
    start = time.process_time()
    assert len(convert(file).network.layers) == 5000
    assert time.process_time() - start < 20


def test_what_onnxruntime_does_not_know_is_one_line(file: Path) -> None:
    save(file, [helper.make_node("Odd", ["image"], ["y"], domain="mine")])
    with pytest.raises(ExportError, match=r"onnxruntime cannot compute it .*mine:Odd"):
        subject_of(file, load_graph(file))


def test_a_single_number_is_no_input(file: Path) -> None:
    save(file, [node("Relu", "image")], inputs=[info("image", [])], outputs=[info("y", [])])
    with pytest.raises(ExportError, match=r"input image: a single number.*shape \[1\]"):
        load_graph(file)
