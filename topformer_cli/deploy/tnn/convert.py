"""From an ONNX graph to a TNN network: preflight and emission in one walk."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import onnx_ir as ir

from topformer_cli.deploy.constants import constant_of
from topformer_cli.deploy.onnx_graph import graph_inputs, node_name
from topformer_cli.deploy.passes.fold_constants import fold_constants
from topformer_cli.deploy.tnn.emit import EMITTERS
from topformer_cli.deploy.tnn.emit.fuse_activation import fuse_activations
from topformer_cli.deploy.tnn.emit.node import (
    Emitted,
    OnnxNode,
    Unsupported,
    is_read,
    require,
    static_shape,
)
from topformer_cli.deploy.tnn.emit.shape import RESHAPE
from topformer_cli.deploy.tnn.network import Input, Network, Resource
from topformer_cli.errors import ExportError

_OLDEST_OPSET: Final = 13
_MAX_RANK: Final = 5
"""TNN's permutation and reformat loops are written for up to five dimensions."""

_INTEGERS: Final = frozenset({ir.DataType.INT32, ir.DataType.INT64})
_SHOWN_NODES: Final = 5


@dataclass(frozen=True, slots=True)
class TnnModel:
    """A TNN network with its weights: what the two files are written from."""

    network: Network
    resources: tuple[Resource, ...]


def to_tnn(model: ir.Model, where: str, *, fuse: bool = True) -> TnnModel:
    """Convert an ONNX graph with folded constants and inferred shapes.

    fuse: put activations into the convolutions before them.

    Raises:
        ExportError: lists every unsupported operator, attribute, type, rank and shape with the
            names of its nodes; `where` names the model in it.
    """
    graph = model.graph
    inputs = graph_inputs(graph)
    names = blob_names(model)
    findings: dict[str, list[str]] = {}
    emitted: list[Emitted] = []
    for finding in _check_model(model, inputs, names):
        findings[finding] = []
    for node in graph:
        try:
            _check_node(node)
            emitted += EMITTERS[node.op_type].emit(OnnxNode(node, names))
        except Unsupported as reason:
            findings.setdefault(f"{node.op_type}: {reason}", []).append(node_name(node))
    if findings:
        raise ExportError(_report(findings, where))
    outputs = tuple(names[value] for value in graph.outputs)
    layers = fuse_activations(emitted, outputs) if fuse else emitted
    network = Network(
        tuple(Input(names[value], static_shape(value)) for value in inputs),
        outputs,
        tuple(item.layer for item in layers),
    )
    return TnnModel(network, tuple(item.resource for item in layers if item.resource))


def check_operators(model: ir.Model, where: str) -> None:
    """Refuse operators that have no TNN layer, before anything is computed with the graph.

    Raises:
        ExportError: lists them all, with the names of their nodes.
    """
    folded = model.clone()
    fold_constants(folded)
    findings: dict[str, list[str]] = {}
    for node in folded.graph:
        try:
            _check_operator(node)
        except Unsupported as reason:
            findings.setdefault(f"{node.op_type}: {reason}", []).append(node_name(node))
    if findings:
        raise ExportError(_report(findings, where))


def _check_model(
    model: ir.Model, inputs: Sequence[ir.Value], names: dict[ir.Value, str]
) -> Iterable[str]:
    opset = model.opset_imports.get("", 0)
    if opset < _OLDEST_OPSET:
        yield f"opset {opset}, at least {_OLDEST_OPSET} is needed"
    for value in inputs:
        try:
            _check_value(value)
        except Unsupported as reason:
            yield f"input {value.name}: {reason}"
    for value in model.graph.outputs:
        if value not in names or value in inputs:
            yield f"output {value.name} is made by no node"


def _check_operator(node: ir.Node) -> None:
    require(node.domain in ("", "ai.onnx"), f"operators of {node.domain} have no TNN layer")
    require(node.op_type in EMITTERS, "no TNN layer is known for it")


def _check_node(node: ir.Node) -> None:
    _check_operator(node)
    unknown = sorted(set(node.attributes) - EMITTERS[node.op_type].attributes)
    require(not unknown, f"attribute {', '.join(unknown)}")
    for value in node.inputs:
        if value is not None and constant_of(value) is None:
            _check_value(value)
    if EMITTERS[node.op_type] is not RESHAPE:
        computed = [value for value in node.inputs if value and constant_of(value) is None]
        ranks = {len(static_shape(value)) for value in (*computed, node.outputs[0])}
        require(ranks != {1}, "rank 1, which TNN computes wrongly on ARM; keep a batch dimension")
    integers = _INTEGERS if EMITTERS[node.op_type].integers else frozenset()
    for value in node.outputs:
        if is_read(value):
            _check_value(value, integers)


def _check_value(value: ir.Value, integers: frozenset[ir.DataType] = frozenset()) -> None:
    shape = static_shape(value)
    require(0 < len(shape) <= _MAX_RANK, f"rank {len(shape)}, 1 to {_MAX_RANK} can be written")
    require(0 not in shape, f"no values in shape {list(shape)}")
    dtype = value.dtype
    fits = dtype == ir.DataType.FLOAT or dtype in integers
    require(fits, f"type {dtype.name if dtype else 'unknown'}, not float32")


def _report(findings: dict[str, list[str]], where: str) -> str:
    parts = [
        f"{reason} ({_some(nodes)})" if nodes else reason for reason, nodes in findings.items()
    ]
    return f"{where}: cannot be written as TNN: {'; '.join(parts)}"


def _some(names: Sequence[str]) -> str:
    more = len(names) - _SHOWN_NODES
    return ", ".join(names[:_SHOWN_NODES]) + (f" and {more} more" if more > 0 else "")


def blob_names(model: ir.Model) -> dict[ir.Value, str]:
    """Give every value a name without the characters that TNN's text form splits at."""
    graph = model.graph
    inputs = graph_inputs(graph)
    values = [*inputs, *(value for node in graph for value in node.outputs)]
    names: dict[ir.Value, str] = {}
    taken: set[str] = set()
    numbers: Counter[str] = Counter()
    for value in values:
        base = name = re.sub(r"[^A-Za-z0-9_./-]", "_", value.name or "blob")
        while name in taken:
            numbers[base] += 1
            name = f"{base}_{numbers[base] + 1}"
        taken.add(name)
        names[value] = name
    return names
