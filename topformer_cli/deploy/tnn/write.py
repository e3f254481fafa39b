"""From an ONNX graph to the two files of TNN: rewrites, conversion, writing."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import onnx_ir as ir

from topformer_cli.deploy.from_onnx import load_graph
from topformer_cli.deploy.manifest import Storage
from topformer_cli.deploy.official import convert_official
from topformer_cli.deploy.passes import (
    NEEDED,
    TNN_PASSES,
    RewriteRules,
    Rewritten,
    Step,
    check_left_out,
    rewrite,
    rewrite_name,
)
from topformer_cli.deploy.passes.parts.outcome import Outcome
from topformer_cli.deploy.tnn.convert import to_tnn
from topformer_cli.deploy.tnn.emit.node import static_shape
from topformer_cli.deploy.tnn.interpreter import model_path
from topformer_cli.deploy.tnn.layers.convolution import NO_ACTIVATION, Convolution
from topformer_cli.deploy.tnn.model import write_model
from topformer_cli.deploy.tnn.network import Network, Resource
from topformer_cli.deploy.tnn.proto import write_proto
from topformer_cli.rundir import atomic_write

PLAIN: Final = "all"
"""Leaves out every rewrite that can be left out."""

FUSE_ACTIVATIONS: Final = "fuse-activations"
"""The one rewrite that works on TNN's layers."""

REWRITES: Final = (*(rewrite_name(step) for step in TNN_PASSES), FUSE_ACTIVATIONS)
"""The names of all rewrites, in their order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TnnChoices:
    """How TNN files are made.

    left_out: names of rewrites. storage: of the weights. rescale: where values overflow half
    precision, scale them by powers of two. tnn_home: a build of TNN whose own converter does the
    work.
    """

    left_out: frozenset[str] = frozenset()
    storage: Storage = "fp32"
    rescale: bool = False
    tnn_home: Path | None = None


@dataclass(frozen=True, slots=True, eq=False)
class TnnWritten:
    """What was written, and by which rewrites.

    model: the rewritten graph, absent where TNN's own converter wrote. channels: output name ->
    how many channels those outputs have that got more than count. notes: what else was done, in
    words.
    """

    steps: tuple[Step, ...] = ()
    model: ir.Model | None = None
    channels: dict[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def write_tnn(stem: Path, choices: TnnChoices, tolerance: float) -> TnnWritten:
    """Convert `<stem>.onnx` to `<stem>.tnnproto` and `<stem>.tnnmodel`, weights in fp32.

    tolerance: what every rewrite is held against, see SameOutputs.

    Raises:
        ExportError: what the graph holds cannot be written as TNN; nothing was written.
        ParityError: a rewrite changed what the graph computes.
    """
    onnx_path = stem.with_name(f"{stem.name}.onnx")
    if choices.tnn_home is not None:
        convert_official(onnx_path, stem, choices.tnn_home)
        return TnnWritten()
    rules = RewriteRules(left_out=choices.left_out, tolerance=tolerance)
    rewritten = rewrite(load_graph(onnx_path), rules)
    fuse = FUSE_ACTIVATIONS not in choices.left_out
    converted = to_tnn(rewritten.model, stem.name, fuse=fuse)
    write_pair(stem.with_name(f"{stem.name}.tnnproto"), converted.network, converted.resources)
    steps = (*rewritten.steps, *([_fused(converted.network)] if fuse else []))
    return TnnWritten(steps, rewritten.model, _channels(rewritten))


def write_pair(proto: Path, network: Network, resources: Sequence[Resource]) -> None:
    """Write the two files of a network, the weights first.

    Raises:
        ExportError: a line is longer than TNN reads; nothing was written.
    """
    text = write_proto(network)
    atomic_write(model_path(proto), write_model(resources))
    atomic_write(proto, text)


def expand(left_out: frozenset[str]) -> frozenset[str]:
    """Return the names of the rewrites that are left out, with `all` spelt out.

    Raises:
        UsageError: a name is no rewrite's, or that of one that conversion needs.
    """
    if PLAIN in left_out:
        return frozenset(REWRITES) - NEEDED
    check_left_out(left_out, {FUSE_ACTIVATIONS})
    return left_out


def _channels(rewritten: Rewritten) -> dict[str, int]:
    outputs = {value.name: static_shape(value) for value in rewritten.model.graph.outputs}
    return {name: outputs[name][1] for name in rewritten.padded}


def _fused(network: Network) -> Step:
    fused = [
        layer.name
        for layer in network.layers
        if isinstance(layer.record, Convolution) and layer.record.activation != NO_ACTIVATION
    ]
    return Step(FUSE_ACTIVATIONS, Outcome(tuple(fused)))
