"""Rewrites of an ONNX graph before it becomes TNN; each keeps what the graph computes.

A new rewrite is one module here, with before and after in its docstring, and one entry in
TNN_PASSES; what rewrites share is in parts/.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final, TypeAlias

import onnx_ir as ir
from onnx_ir.passes.common import RemoveUnusedNodesPass, ShapeInferencePass

from topformer_cli.deploy.onnx_graph import NamedArrays
from topformer_cli.deploy.passes.fold_batchnorm import fold_batchnorm
from topformer_cli.deploy.passes.fold_constants import fold_constants
from topformer_cli.deploy.passes.fold_depthwise_fuse import fold_depthwise_fuse
from topformer_cli.deploy.passes.fold_normalisation import fold_normalisation
from topformer_cli.deploy.passes.fold_scale import fold_scale
from topformer_cli.deploy.passes.gate_by_relu6 import gate_by_relu6
from topformer_cli.deploy.passes.one_permute_attention import one_permute_attention
from topformer_cli.deploy.passes.pad_classes import pad_classes
from topformer_cli.deploy.passes.parts.check import SameOutputs
from topformer_cli.deploy.passes.parts.outcome import Outcome
from topformer_cli.deploy.passes.recognise_gelu import recognise_gelu
from topformer_cli.deploy.passes.recognise_hard_sigmoid import recognise_hard_sigmoid
from topformer_cli.deploy.passes.recognise_hard_swish import recognise_hard_swish
from topformer_cli.deploy.passes.recognise_layer_norm import recognise_layer_norm
from topformer_cli.errors import UsageError

Pass: TypeAlias = Callable[[ir.Model], Outcome]
"""Rewrites the model it is given and says what it did."""

TNN_PASSES: Final[tuple[Pass, ...]] = (
    fold_constants,  # first: the others look for constants
    fold_batchnorm,
    recognise_hard_sigmoid,
    recognise_hard_swish,
    recognise_layer_norm,
    recognise_gelu,
    one_permute_attention,
    fold_normalisation,
    fold_scale,  # behind what is recognised by its additions and divisions
    fold_depthwise_fuse,
    gate_by_relu6,
    pad_classes,
)
NEEDED: Final = frozenset({"fold-constants"})
"""Without these nothing can be converted: shapes would stay computed values."""


@dataclass(frozen=True, slots=True)
class Step:
    """One rewrite of a run: what it did, and how far it moved the outputs, if at all."""

    name: str
    outcome: Outcome
    difference: float = 0.0


@dataclass(frozen=True, slots=True)
class Rewritten:
    """A rewritten copy with inferred shapes, and the steps that led to it."""

    model: ir.Model
    steps: tuple[Step, ...]

    @property
    def changed(self) -> list[str]:
        """The names of the rewrites that changed something."""
        return [step.name for step in self.steps if step.outcome.matched]

    @property
    def padded(self) -> dict[str, int]:
        """Output name -> how many of its channels count."""
        return {name: count for step in self.steps for name, count in step.outcome.padded.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class RewriteRules:
    """Which rewrites are left out, and what the results are held against.

    tolerance: see SameOutputs. feeds: inputs for the check; noise when absent.
    """

    left_out: frozenset[str] = frozenset()
    tolerance: float = 1e-4
    feeds: NamedArrays | None = None


def rewrite_name(step: Pass) -> str:
    """Return what a rewrite is called on the command line."""
    return step.__name__.replace("_", "-")


def rewrite(
    model: ir.Model, rules: RewriteRules | None = None, passes: tuple[Pass, ...] = TNN_PASSES
) -> Rewritten:
    """Return a rewritten copy, checked in onnxruntime after every rewrite that changed it.

    Raises:
        ParityError: a rewrite changed what the graph computes.
    """
    chosen = rules or RewriteRules()
    copy = model.clone()
    same = SameOutputs(copy, chosen.tolerance, chosen.feeds)
    steps: list[Step] = []
    padded: dict[str, int] = {}
    for step in passes:
        name = rewrite_name(step)
        if name in chosen.left_out:
            continue
        outcome = step(copy)
        difference = 0.0
        if outcome.matched:
            _tidy(copy)
            padded.update(outcome.padded)
            difference = same.require(copy, name, padded)
        steps.append(Step(name, outcome, difference))
    _tidy(copy)
    return Rewritten(copy, tuple(steps))


def check_left_out(names: Collection[str], others: Collection[str] = ()) -> None:
    """Refuse names of no rewrite, and of those that conversion needs.

    Raises:
        UsageError: names them and the rewrites that there are.
    """
    known = {rewrite_name(step) for step in TNN_PASSES} | set(others)
    wrong = sorted(set(names) - known | set(names) & NEEDED)
    if wrong:
        message = (
            f"--no-rewrite {', '.join(wrong)}: choose from "
            f"{', '.join(sorted(known - NEEDED))}, or `all` for the plain file"
        )
        raise UsageError(message)


def _tidy(model: ir.Model) -> None:
    RemoveUnusedNodesPass()(model)
    ShapeInferencePass()(model)
