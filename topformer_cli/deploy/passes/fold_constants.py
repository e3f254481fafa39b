"""Compute what depends on constants only, and name every constant as an initializer."""

import onnx_ir as ir
from onnx_ir.passes.common import (
    IdentityEliminationPass,
    LiftConstantsToInitializersPass,
    RemoveUnusedNodesPass,
)
from onnxscript.optimizer import fold_constants as fold

from topformer_cli.deploy.onnx_graph import node_name
from topformer_cli.deploy.passes.parts.outcome import Outcome


def fold_constants(model: ir.Model) -> Outcome:
    """Fold constant subgraphs, drop identities and dead nodes.

    Given: Reshape(x, Concat(Constant, Shape(x)))    Result: Reshape(x, initializer)
    """
    before = {id(node): node_name(node) for node in model.graph}
    changed = bool(fold(model, onnx_shape_inference=True).modified)
    for step in (
        LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0),
        IdentityEliminationPass(),
        RemoveUnusedNodesPass(),
    ):
        changed |= bool(step(model).modified)
    if not changed:
        return Outcome()
    left = {id(node) for node in model.graph}
    return Outcome(tuple(name for key, name in before.items() if key not in left))
