"""Fold the normalisation of the input image into the first convolution."""

from typing import Final

import numpy as np
import onnx_ir as ir

from topformer_cli.deploy.passes.parts.affine import Affine, affine_of
from topformer_cli.deploy.passes.parts.convolution import (
    NO_CONSTANTS,
    Parameters,
    parameters_of,
    unpadded,
)
from topformer_cli.deploy.passes.parts.match import (
    Findings,
    Vector,
    bypass,
    float32_constant,
    only_reader,
    sole_reader,
)
from topformer_cli.deploy.passes.parts.outcome import Outcome

_STAYS: Final = (
    "the convolution pads with zeros, which stand for mean-valued pixels: one subtraction stays"
)


def fold_normalisation(model: ir.Model) -> Outcome:
    """Give the first convolution the scales and shifts between it and the input.

    Given: Conv((x / 255 - mean) / std, W, b), any row of scales and shifts; x may be a Cast input
    Result without padding: Conv(x, W / (255 std), b - sum over inputs of W mean / std)
    Result with padding: Conv(x - 255 mean, W / (255 std), b)
    """
    findings = Findings()
    for value in list(model.graph.inputs):
        for use in tuple(value.uses()):
            cast = use.node if use.node.op_type == "Cast" else None
            starts = tuple(cast.outputs[0].uses()) if cast is not None else (use,)
            for start in starts:
                _fold(model.graph, start.node, findings)
    return findings.outcome()


def _fold(graph: ir.Graph, first: ir.Node, findings: Findings) -> None:
    chain, conv = _chain(first)
    if not chain or conv is None:
        return
    parameters = parameters_of(conv)
    total = _compose([affine for _, affine in chain])
    movable = unpadded(conv) or not total.shift.any()
    if parameters is None:
        findings.settle(chain[-1][0], NO_CONSTANTS)
    elif not movable and (len(chain) == 1 and np.all(total.scale == 1)):
        findings.settle(first, _STAYS)
    elif not movable and not np.all(total.scale):
        findings.settle(first, "a channel is scaled by zero")
    else:
        _write(graph, [node for node, _ in chain], total, parameters)
        for node, _ in chain:
            findings.settle(node, "")
        if not movable:
            findings.settle(conv, _STAYS)


def _chain(first: ir.Node) -> tuple[list[tuple[ir.Node, Affine]], ir.Node | None]:
    """Follow scales and shifts that nobody else reads, up to a convolution."""
    chain: list[tuple[ir.Node, Affine]] = []
    node: ir.Node | None = first
    while node is not None and (affine := affine_of(node)) is not None:
        chain.append((node, affine))
        output = node.outputs[0]
        if conv := sole_reader(output, "Conv"):
            return chain, conv
        node = only_reader(output)
    return chain, None


def _compose(steps: list[Affine]) -> Affine:
    scale, shift = np.ones_like(steps[0].scale), np.zeros_like(steps[0].shift)
    for step in steps:
        scale, shift = scale * step.scale, shift * step.scale + step.shift
    return Affine(steps[0].x, scale, shift)


def _write(graph: ir.Graph, chain: list[ir.Node], total: Affine, conv: Parameters) -> None:
    nothing: Vector = np.zeros_like(total.shift)
    stays = not unpadded(conv.conv) and total.shift.any()
    kept = -total.shift / total.scale if stays else nothing
    conv.scale_inputs(total.scale, nothing if stays else total.shift)
    conv.write(graph)
    source, last = total.x, chain[-1]
    if kept.any():
        rank = len(source.shape or ())
        mean = float32_constant(
            graph, f"{last.outputs[0].name}.mean", kept.reshape(1, -1, *[1] * (rank - 2))
        )
        node = ir.Node("", "Sub", [source, mean], name=last.name)
        graph.insert_before(conv.conv, node)
        node.outputs[0].name = f"{last.outputs[0].name}.centred"
        source = node.outputs[0]
    for node in reversed(chain):
        bypass(graph, node, source if node is last else _source(node))


def _source(node: ir.Node) -> ir.Value:
    affine = affine_of(node)
    assert affine is not None
    return affine.x
