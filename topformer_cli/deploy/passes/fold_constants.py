"""Compute what depends on constants only, and name every constant as an initializer."""

import onnx_ir as ir
from onnx_ir.passes.common import (
    IdentityEliminationPass,
    LiftConstantsToInitializersPass,
    RemoveUnusedNodesPass,
)
from onnxscript.optimizer import fold_constants as fold


def fold_constants(model: ir.Model) -> bool:
    """Fold constant subgraphs, drop identities and dead nodes.

    Given: Reshape(x, Concat(Constant, Shape(x)))    Result: Reshape(x, initializer)
    """
    changed = bool(fold(model, onnx_shape_inference=True).modified)
    for step in (
        LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0),
        IdentityEliminationPass(),
        RemoveUnusedNodesPass(),
    ):
        changed |= bool(step(model).modified)
    return changed
