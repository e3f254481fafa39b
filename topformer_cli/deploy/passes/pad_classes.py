"""Pad the channels of a classifier to a multiple of eight."""

from dataclasses import replace
from typing import Final

import numpy as np
import onnx_ir as ir

from topformer_cli.deploy.constants import constant_of, new_constant
from topformer_cli.deploy.onnx_graph import node_name
from topformer_cli.deploy.passes.parts.convolution import NO_CONSTANTS, parameters_of
from topformer_cli.deploy.passes.parts.match import Findings, static_dimension
from topformer_cli.deploy.passes.parts.outcome import Outcome

MULTIPLE: Final = 8
"""TNN on ARM computes 1x1 convolutions by its fast matrix product for such channels only."""
_BEHIND: Final = 1.0
"""How far the classes that do not exist stay behind the first one, everywhere."""
_SAME: Final = {"Resize": 1, "Identity": 1, "Add": 2}
"""Operators that keep channels apart, or need not see them: how many inputs have channels."""


def pad_classes(model: ir.Model) -> Outcome:
    """Give classifiers classes that never win, so that their number is a multiple of eight.

    Given: y = up(Conv(x, W, b)), 150 channels, or a sum of several; W is 1x1, y an output
    Result: y' = up(Conv(x, [W; w0; w0], [b; b0 - 1; b0 - 1])), 152 channels, y'[:, :150] = y
    where w0 and b0 are the first class's. Its copies lie 1 below it, so that they never win, and
    they are of the size of logits: neither half precision nor max|logits| notices them. ArgMax over
    the channels gives the same labels; an output of logits is noted as padded.
    """
    findings = Findings()
    padded: dict[str, int] = {}
    seen: set[ir.Node] = set()
    for node in list(model.graph):
        channels = static_dimension(node.outputs[0], 1) if node.op_type == "Conv" else None
        if node in seen or not channels or channels % MULTIPLE == 0:
            continue
        region = _Region(channels)
        reason = region.grow(node.outputs[0])
        seen.update(region.classifiers)
        if not region.reaches_output:
            continue
        for classifier in region.classifiers if not reason else [node]:
            findings.settle(classifier, reason)
        if not reason:
            padded |= _pad(model.graph, region)
    return replace(findings.outcome(), padded=padded)


class _Region:
    """All values that have the channels of one classifier, and the convolutions that make them."""

    def __init__(self, channels: int) -> None:
        self.channels = channels
        self.values: dict[ir.Value, None] = {}  # a set that keeps its order
        self.classifiers: list[ir.Node] = []
        self.resizes: list[ir.Node] = []
        self.reaches_output = False
        self._waiting: list[ir.Value] = []

    def grow(self, first: ir.Value) -> str:
        """Collect the region around a value; return why it cannot be padded, or nothing."""
        self._waiting, reasons = [first], []
        while self._waiting:
            value = self._waiting.pop()
            if value in self.values:
                continue
            self.values[value] = None
            self.reaches_output |= value.is_graph_output()
            reasons.append(self._made(value))
            reasons += [self._read(node, value) for node in value.consumers()]
        return next((reason for reason in reasons if reason), "")

    def _made(self, value: ir.Value) -> str:
        """Go on to what makes a value."""
        node = value.producer()
        if node is None or static_dimension(value, 1) != self.channels:
            return f"{value.name}, which is added, is no map of {self.channels} channels"
        if node.op_type == "Conv":
            self.classifiers.append(node)
            return _obstacle(node)
        if node.op_type not in _SAME:
            return f"{node_name(node)} ({node.op_type}) makes channels that cannot be padded"
        if node.op_type == "Resize":
            self.resizes.append(node)
        self._waiting += [x for x in node.inputs[: _SAME[node.op_type]] if x is not None]
        return ""

    def _read(self, node: ir.Node, value: ir.Value) -> str:
        """Go on to what a node makes of a value."""
        rank = len(value.shape or ())
        axis = node.attributes.get_int("axis", 0)
        if node.op_type == "ArgMax" and axis not in (1, 1 - rank):
            self.reaches_output |= node.outputs[0].is_graph_output()
            return f"{node_name(node)} ({node.op_type}) does not go over the channels"
        if node.op_type == "ArgMax":
            self.reaches_output = True
        elif node.op_type in _SAME:
            self._waiting.append(node.outputs[0])
        else:
            self.reaches_output |= node.outputs[0].is_graph_output()
            return f"{node_name(node)} ({node.op_type}) would see the padded channels"
        return ""


def _obstacle(conv: ir.Node) -> str:
    parameters = parameters_of(conv)
    if parameters is None:
        return NO_CONSTANTS
    if parameters.groups != 1 or set(parameters.weight.shape[2:]) != {1}:
        return f"{node_name(conv)} is not 1x1 or has groups: it would not become faster"
    return ""


def _pad(graph: ir.Graph, region: _Region) -> dict[str, int]:
    """Pad a region; return its outputs with the channels that count."""
    extra = -region.channels % MULTIPLE
    for conv in region.classifiers:
        parameters = parameters_of(conv)
        assert parameters is not None
        first = [0] * extra
        behind = _BEHIND / len(region.classifiers)
        weight, bias = parameters.weight, parameters.bias
        parameters.weight = np.concatenate([weight, weight[first]])
        parameters.bias = np.concatenate([bias, bias[first] - behind])
        parameters.write(graph)
    for node in region.resizes:
        _resize_to(graph, node, region.channels + extra)
    for value in region.values:
        assert value.shape is not None
        sizes = value.shape.dims
        value.shape = ir.Shape([sizes[0], region.channels + extra, *sizes[2:]])
    return {str(value.name): region.channels for value in region.values if value.is_graph_output()}


def _resize_to(graph: ir.Graph, node: ir.Node, channels: int) -> None:
    """Correct the target sizes of a Resize that states them."""
    sizes = constant_of(node.inputs[3]) if len(node.inputs) > 3 else None
    if sizes is None or sizes.size == 0:
        return
    axes = node.attributes.get_ints("axes", range(len(sizes)))
    wanted = [channels if axis == 1 else int(size) for axis, size in zip(axes, sizes, strict=True)]
    name = f"{node.outputs[0].name}.sizes"
    node.replace_input_with(3, new_constant(graph, name, np.array(wanted, np.int64)))
