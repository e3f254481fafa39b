"""From an ONNX graph to the two files of TNN: rewrites, conversion, writing."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import onnx_ir as ir

from topformer_cli.deploy.manifest import Storage
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
from topformer_cli.deploy.passes.check import Arrays
from topformer_cli.deploy.passes.outcome import Outcome
from topformer_cli.deploy.tnn.convert import to_tnn
from topformer_cli.deploy.tnn.emit.node import static_shape
from topformer_cli.deploy.tnn.layers.convolution import NO_ACTIVATION, Convolution
from topformer_cli.deploy.tnn.model import write_model
from topformer_cli.deploy.tnn.network import Network
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

    left_out: names of rewrites. storage: of the weights. tnn_home: a build of TNN whose
    own converter does the work.
    """

    left_out: frozenset[str] = frozenset()
    storage: Storage = "fp32"
    tnn_home: Path | None = None


@dataclass(frozen=True, slots=True)
class TnnWritten:
    """What was written, by which rewrites, and output name -> channels of outputs that got more."""

    network: Network
    steps: tuple[Step, ...]
    channels: dict[str, int]


def write_tnn(
    model: ir.Model, stem: Path, choices: TnnChoices, tolerance: float, feeds: Arrays | None = None
) -> TnnWritten:
    """Convert an ONNX graph to `<stem>.tnnproto` and `<stem>.tnnmodel`.

    tolerance and feeds: what every rewrite is held against, see SameOutputs.

    Raises:
        ExportError: what the graph holds cannot be written as TNN; nothing was written.
        ParityError: a rewrite changed what the graph computes.
    """
    rules = RewriteRules(left_out=choices.left_out, tolerance=tolerance, feeds=feeds)
    rewritten = rewrite(model, rules)
    fuse = FUSE_ACTIVATIONS not in choices.left_out
    converted = to_tnn(rewritten.model, stem.name, fuse=fuse)
    proto = write_proto(converted.network)
    atomic_write(stem.with_name(f"{stem.name}.tnnmodel"), write_model(converted.resources))
    atomic_write(stem.with_name(f"{stem.name}.tnnproto"), proto)
    steps = (*rewritten.steps, *([_fused(converted.network)] if fuse else []))
    return TnnWritten(converted.network, steps, _channels(rewritten))


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
