"""Rewrites of an ONNX graph before it becomes TNN; each keeps what the graph computes.

A new rewrite is one module here, with before and after in its docstring, and one entry in
TNN_PASSES.
"""

from collections.abc import Callable
from typing import Final, TypeAlias

import onnx_ir as ir
from onnx_ir.passes.common import RemoveUnusedNodesPass, ShapeInferencePass

from topformer_cli.deploy.passes.fold_batchnorm import fold_batchnorm
from topformer_cli.deploy.passes.fold_constants import fold_constants
from topformer_cli.deploy.passes.recognise_gelu import recognise_gelu
from topformer_cli.deploy.passes.recognise_hard_sigmoid import recognise_hard_sigmoid

Pass: TypeAlias = Callable[[ir.Model], bool]
"""Rewrites the model it is given and says whether anything changed."""

TNN_PASSES: Final[tuple[Pass, ...]] = (
    fold_constants,  # first: the others look for constants
    fold_batchnorm,
    recognise_hard_sigmoid,
    recognise_gelu,
)


def rewrite(model: ir.Model, passes: tuple[Pass, ...] = TNN_PASSES) -> tuple[ir.Model, list[str]]:
    """Return a rewritten copy with inferred shapes, and the names of the passes that changed it."""
    copy = model.clone()
    changed = [step.__name__ for step in passes if step(copy)]
    RemoveUnusedNodesPass()(copy)
    ShapeInferencePass()(copy)
    return copy, changed
