"""ONNX files read: brought to the form that rewrites and the TNN converter take, or as they are.

The form, whatever wrote the file: float32 inputs of fixed shape, one opset, no functions, nothing
that no output needs. An image input of bytes that is only cast to float becomes a float32 input
with the values 0..255.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import onnx
import onnx_ir as ir
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from onnx_ir.passes.common import InlinePass, RemoveUnusedNodesPass, ShapeInferencePass

from topformer_cli.deploy.onnx_graph import graph_inputs
from topformer_cli.errors import ExportError

OPSET: Final = 20
"""What older files are converted to; newer ones change no operator that TNN layers are known for
but by attributes, which the converter refuses when it does not know them."""

_OLDEST: Final = 7
_NEWEST: Final = onnx.defs.onnx_opset_version()
_WEIGHTS_ALONE: Final = 4
_WHOLE: Final = frozenset(
    {ir.DataType.UINT8, ir.DataType.INT8, ir.DataType.INT16, ir.DataType.INT32, ir.DataType.INT64}
)


def load_graph(path: Path, input_shapes: Mapping[str, tuple[int, ...]] | None = None) -> ir.Model:
    """Read an ONNX file of opset 7 or newer, whatever wrote it.

    Args:
        path: the file; external data lies beside it.
        input_shapes: shapes of inputs by name, for the dimensions that the file leaves open.

    Raises:
        ExportError: the file is damaged or no ONNX model, its weights are missing, or its inputs
            have types or open dimensions that cannot be written.
    """
    with _told(path):
        model = ir.from_proto(_read(path))
    _check_opset(model, path)
    with _told(path):
        InlinePass()(model)
        RemoveUnusedNodesPass()(model)
    _drop_unread_inputs(model.graph)
    _fix_inputs(model.graph, path, input_shapes or {})
    with _told(path):
        return _convert(model)


def load_unchanged(path: Path) -> ir.Model:
    """Read an ONNX file as it stands, of any opset.

    Raises:
        ExportError: the file is missing or is no valid ONNX model.
    """
    with _told(path):
        onnx.checker.check_model(str(path), full_check=True)
        return ir.load(path)


def image_shapes(path: Path, input_hw: tuple[int, int]) -> dict[str, tuple[int, ...]]:
    """Return what `load_graph` takes as shapes, from height and width of the only image input.

    Raises:
        ExportError: the file is damaged, or there is not exactly one input of rank 4.
    """
    with _told(path):
        graph = ir.from_proto(_read(path, weights=False)).graph
    images = [
        (value, value.shape.dims)
        for value in graph_inputs(graph)
        if value.shape is not None and value.shape.rank() == 4
    ]
    if len(images) != 1:
        found = ", ".join(f"{value.name} {_dims(value)}" for value in graph_inputs(graph)) or "none"
        message = f"{path}: --input needs one image input [N, C, H, W]; the inputs are: {found}"
        raise ExportError(message)
    ((image, dims),) = images
    batch, channels = (size if isinstance(size, int) else 0 for size in dims[:2])
    return {str(image.name): (batch or 1, channels or 3, *input_hw)}


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    """Turn what the libraries raise about a file into one line that names it."""
    try:
        yield
    except (
        ir.passes.PassError,
        onnx.checker.ValidationError,
        onnx.shape_inference.InferenceError,
        onnx.version_converter.ConvertError,
        DecodeError,
        KeyError,
        OSError,
        RuntimeError,
        TypeError,
        ValueError,
    ) as error:
        cause = error.__cause__ or error
        reason = next(iter(str(cause).strip().splitlines()), type(cause).__name__)
        message = f"{path}: no readable ONNX model ({reason[:200]})"
        raise ExportError(message) from error


def _read(path: Path, *, weights: bool = True) -> onnx.ModelProto:
    proto = onnx.load(path, load_external_data=False)
    if not proto.ir_version or not proto.HasField("graph"):
        message = "it has no graph"
        raise ValueError(message)
    if not proto.graph.node:
        message = f"{path}: the graph holds no operators"
        raise ExportError(message)
    if weights:
        _load_weights(proto, path)
        _check(proto)
    return proto


def _check(proto: onnx.ModelProto) -> None:
    """Have onnx check the model; it would refuse outputs without a shape, which do no harm."""
    outputs = list(proto.graph.output)
    shaped = [
        value
        for value in outputs
        if not value.type.HasField("tensor_type") or value.type.tensor_type.HasField("shape")
    ]
    del proto.graph.output[:]
    proto.graph.output.extend(shaped)
    onnx.checker.check_model(proto)
    del proto.graph.output[:]
    proto.graph.output.extend(outputs)


def _load_weights(proto: onnx.ModelProto, path: Path) -> None:
    for tensor in proto.graph.initializer:
        places = [item.value for item in tensor.external_data if item.key == "location"]
        if places and not (path.parent / places[0]).is_file():
            message = (
                f"{path}: its weights lie in {places[0]!r}, which is not beside it; "
                "copy that file too"
            )
            raise ExportError(message)
    onnx.external_data_helper.load_external_data_for_model(proto, str(path.parent))


def _check_opset(model: ir.Model, path: Path) -> None:
    opset = model.opset_imports.get("", 0)
    if not _OLDEST <= opset <= _NEWEST:
        message = f"{path}: opset {opset}; {_OLDEST} to {_NEWEST} can be read, export it anew"
        raise ExportError(message)


def _drop_unread_inputs(graph: ir.Graph) -> None:
    kept = [value for value in graph_inputs(graph) if value.uses() or value.is_graph_output()]
    graph.inputs[:] = kept


def _fix_inputs(graph: ir.Graph, path: Path, shapes: Mapping[str, tuple[int, ...]]) -> None:
    names = [str(value.name) for value in graph.inputs]
    problems = [
        f"{name}: no such input, there is {', '.join(names)}"
        for name in shapes
        if name not in names
    ]
    before = [str(value.shape) for value in graph.inputs]
    for value in graph.inputs:
        problems += _fix_type(value) + _fix_shape(value, shapes.get(str(value.name)))
    problems += [
        f"output {value.name}: no tensor, which TNN has not"
        for value in graph.outputs
        if value.type is not None and not isinstance(value.type, ir.TensorType)
    ]
    if problems:
        message = f"{path}: {'; '.join(problems)}"
        raise ExportError(message)
    if before != [str(value.shape) for value in graph.inputs]:
        _forget_shapes(graph)


def _fix_type(value: ir.Value) -> list[str]:
    if not isinstance(value.type, ir.TensorType):
        return [f"input {value.name}: no tensor, which TNN has not"]
    if value.dtype == ir.DataType.FLOAT:
        return []
    readers = [use.node for use in value.uses()]
    cast = all(
        node.op_type == "Cast" and node.attributes.get_int("to", 0) == ir.DataType.FLOAT.value
        for node in readers
    )
    if value.dtype == ir.DataType.UINT8 and cast and not value.is_graph_output():
        value.type = ir.TensorType(ir.DataType.FLOAT)
        return []
    dtype = "unknown" if value.dtype is None else value.dtype.name
    return [f"input {value.name}: type {dtype}, TNN takes float32; export the model in float32"]


def _fix_shape(value: ir.Value, given: tuple[int, ...] | None) -> list[str]:
    """Give the input its shape, or return why it has none; a batch that is left open is 1."""
    if value.shape is None:
        if given is None:
            return [f"input {value.name}: no shape in the file; give it one"]
        value.shape = ir.Shape(given)
        return []
    if value.shape.rank() == 0:
        return [f"input {value.name}: a single number, TNN takes tensors; give it the shape [1]"]
    dims: list[int | str | None] = [
        size if isinstance(size, int) and size > 0 else None for size in value.shape.dims
    ]
    if given is not None:
        fits = len(given) == len(dims) and all(
            size > 0 and known in (None, size) for known, size in zip(dims, given, strict=True)
        )
        if not fits:
            return [f"input {value.name}: {list(given)} does not fit {_dims(value)} in the file"]
        dims = list(given)
    if len(dims) == 4 and dims[0] is None:
        dims[0] = 1
    if None in dims:
        remedy = "type --input HxW" if len(dims) == 4 else "export it with fixed dimensions"
        return [f"input {value.name}: open dimensions in {_dims(value)}; {remedy}"]
    value.shape = ir.Shape(dims)
    return []


def _dims(value: ir.Value) -> str:
    dims: Sequence[object] = () if value.shape is None else value.shape.dims
    words = [
        str(size) if isinstance(size, int) else str(getattr(size, "value", None) or "?")
        for size in dims
    ]
    return f"[{', '.join(words)}]"


def _forget_shapes(graph: ir.Graph) -> None:
    """Drop what the file says of shapes that followed from open dimensions."""
    for node in graph.all_nodes():
        for value in node.outputs:
            value.shape = None


def _convert(model: ir.Model) -> ir.Model:
    """Bring an old opset up, and infer the shapes."""
    # Before version 4 weights had to be inputs as well, and they are not any more.
    model.ir_version = max(model.ir_version, _WEIGHTS_ALONE)
    if model.opset_imports[""] < OPSET:
        proto = onnx.version_converter.convert_version(ir.to_proto(model), OPSET)
        model = ir.from_proto(proto)
    for node in list(model.graph):
        if _casts_labels(node):
            _drop_cast(model.graph, node)
    ShapeInferencePass()(model)
    return model


def _casts_labels(node: ir.Node) -> bool:
    """Whether a node turns the places that ArgMax found into other whole numbers."""
    source = node.inputs[0] if node.op_type == "Cast" and node.inputs else None
    maker = source.producer() if source is not None and len(source.uses()) == 1 else None
    kind = node.attributes.get_int("to", 0)
    return (
        maker is not None
        and maker.op_type in ("ArgMax", "ArgMin")
        and not maker.outputs[0].is_graph_output()
        and ir.DataType(kind) in _WHOLE
    )


def _drop_cast(graph: ir.Graph, node: ir.Node) -> None:
    """Let the places be read without the cast: TNN has one type for them, int32."""
    source, output = node.inputs[0], node.outputs[0]
    assert source is not None
    name = output.name
    output.replace_all_uses_with(source, replace_graph_outputs=True)
    graph.remove(node, safe=True)
    source.name = name
